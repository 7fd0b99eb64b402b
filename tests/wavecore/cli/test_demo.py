import base64
import json
import re

import pytest

from wavecore import checkpoint
from wavecore.audio import files
from wavecore.cli import demo

WORDS = ["demo", "--tune", "twinkle"]
SOUNDS = {"twinkle.wav", "twinkle__tiny__strings.wav", "twinkle__tiny__organ.wav"}
ALL = {
    *SOUNDS,
    "twinkle__tiny__strings.wav.json",
    "twinkle__tiny__organ.wav.json",
    "rainbowgrams.png",
    "pitch.png",
    "index.html",
}


@pytest.fixture(scope="module")
def made(model, tmp_path_factory):
    """A demo that was made once, and what its JSON says."""
    import contextlib
    import io

    from wavecore.cli.main import main

    folder = tmp_path_factory.mktemp("demo") / "new" / "demo"
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert main([*WORDS, "--model", str(model), "-o", str(folder), "--json", "-q"]) == 0
    return folder, json.loads(out.getvalue())


@pytest.fixture
def brief(monkeypatch):
    """Fail where sound is generated."""
    monkeypatch.setattr(
        "wavecore.models.translation.api.TranslationModel.translate_file",
        lambda *args, **options: pytest.fail("work was started"),
    )


@pytest.mark.slow
def test_the_demo_makes_its_files_and_no_others(made):
    folder, _ = made
    assert {path.name for path in folder.iterdir()} == ALL
    lengths = {files.probe(folder / name).frames for name in SOUNDS}
    assert len(lengths) == 1 and 4 < lengths.pop() / 16_000 < 8


@pytest.mark.slow
def test_its_json(made, model):
    folder, found = made
    assert set(found) == {"model", "model_sha256", "seed", "page", "pictures", "outputs"}
    assert found["page"] == str(folder / "index.html") and found["seed"] == 1 and found["model"] == "tiny"
    assert [output["domain"] for output in found["outputs"]] == ["strings", "organ"]
    for output in found["outputs"]:
        assert output["path"] == str(folder / f"twinkle__tiny__{output['domain']}.wav")
        assert output["input"] == str(folder / "twinkle.wav")
    assert [output["octave_shift"] for output in found["outputs"]] == [0, -1]


@pytest.mark.slow
def test_the_page_holds_the_finished_bytes(made):
    folder, found = made
    page = (folder / "index.html").read_text(encoding="utf-8")
    held = {base64.b64decode(text) for text in re.findall(r"data:[a-z]+/[a-z]+;base64,([A-Za-z0-9+/=]+)", page)}
    wanted = [*SOUNDS, "rainbowgrams.png", "pitch.png"]
    assert held == {(folder / name).read_bytes() for name in wanted}
    for text in ("1 octave lower", found["model_sha256"][:16], "wavecore demo --tune twinkle --seed 1"):
        assert text in page


@pytest.mark.slow
def test_the_sidecars_name_the_final_place(made):
    folder, _ = made
    found = json.loads((folder / "twinkle__tiny__organ.wav.json").read_text())
    assert found["seed"] == 1 and found["result"]["path"] == str(folder / "twinkle__tiny__organ.wav")


@pytest.mark.slow
def test_files_that_exist_are_refused_before_any_work(cli, model, tmp_path, brief):
    (tmp_path / "pitch.png").write_text("mine")
    done = cli(*WORDS, "--model", model, "-o", tmp_path)
    assert done.code == 6 and "pitch.png" in done.err and "--overwrite" in done.err
    assert [path.name for path in tmp_path.iterdir()] == ["pitch.png"]


def test_skip_existing_is_content_with_a_page(cli, model, tmp_path, brief):
    (tmp_path / "index.html").touch()
    done = cli(*WORDS, "--model", model, "-o", tmp_path, "--skip-existing", "--json")
    assert done.code == 0 and json.loads(done.out)["outputs"] == [] and "skipped" in done.err


@pytest.mark.slow
@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_what_stops_in_the_middle_leaves_nothing(cli, model, tmp_path, monkeypatch, error):
    def stop(*args, **options):
        raise error

    monkeypatch.setattr("wavecore.models.translation.api.TranslationModel.translate_file", stop)
    done = cli(*WORDS, "--model", model, "-o", tmp_path / "new" / "demo")
    assert done.code == (130 if error is KeyboardInterrupt else 1)
    assert list(tmp_path.iterdir()) == []


def test_what_stops_in_the_middle_leaves_an_older_demo_as_it_was(cli, model, tmp_path, monkeypatch):
    (tmp_path / "index.html").write_text("older")

    def stop(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("wavecore.models.translation.api.TranslationModel.translate_file", stop)
    assert cli(*WORDS, "--model", model, "-o", tmp_path, "--overwrite").code == 130
    assert [path.read_text() for path in tmp_path.iterdir()] == ["older"]


def test_an_unknown_tune_lists_the_known_ones(cli, tmp_path):
    done = cli("demo", "--tune", "minuett", "-o", tmp_path)
    assert done.code == 2 and "did you mean minuet?" in done.err and "ode-to-joy" in done.err


def test_no_model_names_what_is_missing(cli, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "PRETRAINED", tmp_path)
    done = cli("demo", "-o", tmp_path / "demo")
    assert done.code == 4 and "no translation model is shipped" in done.err and not (tmp_path / "demo").exists()


@pytest.mark.parametrize(
    ("shift", "text"), [(0, "in the same octave"), (-1, "1 octave lower"), (2, "2 octaves higher")]
)
def test_octaves_in_words(shift, text):
    assert demo._octaves(shift) == text


@pytest.mark.parametrize(("count", "text"), [(1, "one sound"), (4, "four sounds"), (12, "12 sounds")])
def test_numbers_in_words(count, text):
    assert demo._number(count) == text
