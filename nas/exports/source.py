"""What `nas export` is asked for: a trial of a run, or a trained network."""

from pathlib import Path

from nas.config import Config
from nas.documents import SUFFIXES
from nas.errors import UserError
from nas.inference.trained import CONFIG, located


def address(source: str, trial: str | None, out: Path) -> str:
    """What `nas.inference.trained` opens: a trained folder or config, else RUN:TRIAL.

    out: where a training of that name may be. trial: "best" where it is None.

    Raises UserError for a trial of what is no run.
    """
    path = Path(source)
    if source and not path.exists() and (out / source / CONFIG).is_file():
        source, path = str(out / source), out / source
    if (path / CONFIG).is_file() or (path.suffix.lower() in SUFFIXES and not path.is_dir()):
        if trial is not None:
            raise UserError(f"--trial {trial}: {source} is one network and no run")
        return source
    if ":" in source:
        if trial is not None:
            raise UserError(f"--trial {trial}: {source} names a trial already")
        return source
    return f"{source}:{trial or 'best'}"


def config_at(place: str, out: Path) -> Config:
    """The config at an `address`, without its weights, which a run may not have kept.

    Raises UserError as `nas.inference.trained.located`.
    """
    from nas.exports.config import config_of
    from nas.results import record
    from nas.run import open_run

    if is_network(place):
        return located(place, out)[0].model_copy(update={"weights": None})
    run, _, trial = place.rpartition(":")
    opened = open_run(run, out)
    return config_of(opened, record(opened, trial))


def is_network(place: str) -> bool:
    """Whether an `address` names a file or folder rather than a trial of a run."""
    return Path(place).exists() or Path(place).suffix.lower() in SUFFIXES


def name_of(place: str, config: Config) -> str:
    """What an export is called where no name is given: RUN-TRIAL, or as the network's folder."""
    if not is_network(place) and (found := config.provenance) is not None:
        return f"{found.run}-{found.trial}"
    path = Path(place).absolute()
    return path.parent.name if path.name == CONFIG else path.stem if path.is_file() else path.name
