'use strict';
// Files in a ZIP archive, stored as they are (APPNOTE.TXT 6.3.10, sections 4.3.7, 4.3.12 and 4.3.16).
(() => {
  const NAS = (globalThis.NAS = globalThis.NAS || {});
  const UTF8_NAMES = 0x0800;
  const VERSION = 20;

  const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
    let value = n;
    for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
    return value;
  });

  function crc32(bytes) {
    let value = 0xffffffff;
    for (const byte of bytes) value = TABLE[(value ^ byte) & 0xff] ^ (value >>> 8);
    return (value ^ 0xffffffff) >>> 0;
  }

  // [value, bytes] pairs, the least byte first.
  function little(...fields) {
    const size = fields.reduce((sum, [, bytes]) => sum + bytes, 0);
    const view = new DataView(new ArrayBuffer(size));
    let at = 0;
    for (const [value, bytes] of fields) {
      if (bytes === 2) view.setUint16(at, value, true);
      else view.setUint32(at, value, true);
      at += bytes;
    }
    return new Uint8Array(view.buffer);
  }

  function moment(date) {
    const time = (date.getHours() << 11) | (date.getMinutes() << 5) | (date.getSeconds() >> 1);
    const day = ((date.getFullYear() - 1980) << 9) | ((date.getMonth() + 1) << 5) | date.getDate();
    return [[time, 2], [day, 2]];
  }

  // files: [{name, text}], names that differ; their archive as a Blob.
  NAS.zip = (files, date = new Date()) => {
    const encoder = new TextEncoder();
    const [parts, directory] = [[], []];
    let [offset, size] = [0, 0];
    for (const { name, text } of files) {
      const [label, bytes] = [encoder.encode(name), encoder.encode(text)];
      const common = [
        [VERSION, 2], [UTF8_NAMES, 2], [0, 2], ...moment(date),
        [crc32(bytes), 4], [bytes.length, 4], [bytes.length, 4], [label.length, 2], [0, 2],
      ];
      const header = little([0x04034b50, 4], ...common);
      const central = little([0x02014b50, 4], [VERSION, 2], ...common, [0, 2], [0, 2], [0, 2], [0, 4], [offset, 4]);
      parts.push(header, label, bytes);
      directory.push(central, label);
      offset += header.length + label.length + bytes.length;
      size += central.length + label.length;
    }
    const end = little([0x06054b50, 4], [0, 2], [0, 2], [files.length, 2], [files.length, 2], [size, 4], [offset, 4], [0, 2]);
    return new Blob([...parts, ...directory, end], { type: 'application/zip' });
  };
})();
