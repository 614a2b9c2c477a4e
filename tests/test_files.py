"""Files and folders that appear whole."""

import pytest

from harness.files import count_of, put_in_place, replacing


def test_a_file_that_cannot_be_finished_leaves_what_was_there(tmp_path):
    file = tmp_path / "facts.json"
    file.write_text("before")
    with pytest.raises(KeyError), replacing(file) as temporary:  # noqa: PT012  # it fails half-way
        temporary.write_text("half")
        raise KeyError
    assert file.read_text() == "before"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("n_files", [2, 40])
def test_a_folder_gets_its_name_with_all_that_is_in_it(tmp_path, n_files):
    growing = tmp_path / "growing"
    (growing / "below").mkdir(parents=True)
    for i in range(n_files):
        (growing / "below" / f"{i}").write_text(f"{i}")
    put_in_place(growing, tmp_path / "whole")
    assert not growing.exists()
    assert [(tmp_path / "whole" / "below" / f"{i}").read_text() for i in range(n_files)] == [
        f"{i}" for i in range(n_files)
    ]


def test_a_folder_takes_no_name_that_is_another_folders(tmp_path):
    for name in ("growing", "whole"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    with pytest.raises(OSError, match="whole"):
        put_in_place(tmp_path / "growing", tmp_path / "whole")
    assert (tmp_path / "whole" / "file").read_text() == "whole"


def test_one_thing_is_counted_in_a_report_of_several():
    calls = []
    count = count_of(lambda *call: calls.append(call), "reading")
    assert count is not None
    count(1, 2)
    assert calls == [("reading", 1, 2)]
    assert count_of(None, "reading") is None
