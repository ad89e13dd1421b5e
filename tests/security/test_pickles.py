"""Files that carry code: looked at without being run, refused without being unpacked."""

import os
import pickle
import zipfile

import numpy as np
import pytest

from triptych.core import intact
from triptych.encoders.base import EncoderError


class Payload:
    def __reduce__(self):
        return (os.system, ("touch canary",))


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    yield
    assert not (tmp_path / "canary").exists()


def test_arrays_of_objects_are_not_unpickled(tmp_path):
    from triptych.encoders.vggish import read_pca

    path = tmp_path / "vggish_pca_params.npz"
    np.savez(path, pca_eigen_vectors=np.array([Payload()], dtype=object), pca_means=np.zeros(128))
    with pytest.raises(EncoderError, match="allow_pickle"):
        read_pca(path)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_payload_is_named_not_run(tmp_path, protocol):
    path = tmp_path / "pytorch_model.bin"
    path.write_bytes(pickle.dumps({"a": Payload()}, protocol))
    (fault,) = intact.faults(tmp_path, [path.name])
    assert "posix.system" in fault


def test_an_archive_that_unpacks_to_gigabytes_is_refused_by_its_directory(tmp_path):
    path = tmp_path / "pytorch_model.bin"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("archive/data.pkl", "w") as inner:
        for _ in range(intact.MOST_PICKLED // 2**20 + 1):
            inner.write(b"N0" * 2**19)
    assert path.stat().st_size < 2**20
    (fault,) = intact.faults(tmp_path, [path.name])
    assert "claims" in fault and str(path) in fault


def test_an_archive_of_a_hub_may_not_fill_the_disk(tmp_path, monkeypatch):
    import io
    import tarfile

    from triptych.commands import tfhub
    from triptych.core.weights import WeightsError

    monkeypatch.setattr(tfhub, "MOST_BYTES", 10_000_000)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for number in range(3):
            member = tarfile.TarInfo(f"part{number}")
            member.size = 4_000_000
            archive.addfile(member, io.BytesIO(bytes(member.size)))
    out.seek(0)
    (tmp_path / "model").mkdir()
    with pytest.raises(WeightsError, match="unpacks to more"):
        tfhub._unpack(out, tmp_path / "model")
    assert sum(one.stat().st_size for one in (tmp_path / "model").iterdir()) <= 8_000_000


@pytest.mark.parametrize("name", ["../evil", "/evil", "a/../../evil"])
def test_an_archive_of_a_hub_stays_in_its_folder(tmp_path, name):
    import io
    import tarfile

    from triptych.commands import tfhub
    from triptych.core.weights import WeightsError

    for kind in (tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w:gz") as archive:
            member = tarfile.TarInfo(name if kind == tarfile.REGTYPE else "link")
            member.type, member.linkname = kind, name
            archive.addfile(member, io.BytesIO(b""))
        out.seek(0)
        (tmp_path / "model").mkdir(exist_ok=True)
        with pytest.raises(WeightsError, match="no plain file"):
            tfhub._unpack(out, tmp_path / "model")
    assert not (tmp_path / "evil").exists()
