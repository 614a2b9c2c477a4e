"""How the runs of a study share a machine."""

import pytest
import torch

from harness.frames import device
from harness.frames.device import Parallelism, choose, choose_parallelism, memory_limit

CPU = torch.device("cpu")


@pytest.fixture
def eight_cores(monkeypatch):
    monkeypatch.setattr(device, "n_cores", lambda: 8)
    before = torch.get_num_threads()
    torch.set_num_threads(8)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("n_arms", "expected"),
    [(1, Parallelism(1, 8, 1)), (2, Parallelism(2, 4, 2)), (3, Parallelism(3, 2, 3)), (20, Parallelism(8, 1, 8))],
)
def test_arms_share_the_cores(eight_cores, n_arms, expected):
    assert choose_parallelism(CPU, n_arms, {}) == expected


def test_on_a_gpu_there_is_one_run_at_a_time(eight_cores):
    assert choose_parallelism(torch.device("cuda"), 4, {}).n_runs == 1


def test_a_study_that_goes_on_keeps_its_threads_and_shares_of_the_memory(eight_cores):
    assert choose_parallelism(CPU, 2, {"threads": 1, "shares": 2}) == Parallelism(2, 1, 2)
    assert choose_parallelism(CPU, 2, {"threads": 8, "shares": 2}) == Parallelism(1, 8, 2)
    assert choose_parallelism(CPU, 2, {"threads": 32, "shares": 1}) == Parallelism(1, 32, 1)
    torch.set_num_threads(1)
    assert choose_parallelism(CPU, 2, {"threads": 4, "shares": 2}) == Parallelism(1, 4, 2)


def test_where_bf16_is_emulated_no_large_product_is_measured(monkeypatch):
    multiplied = []
    ones = torch.ones

    def slow_in_bf16(*shape, dtype):
        class Matrix:
            def __matmul__(self, other):
                multiplied.append((shape, dtype))
                small = ones(64, 64)
                for _ in range(200 if dtype == torch.bfloat16 else 1):
                    small @ small

        return Matrix()

    monkeypatch.setattr(torch, "ones", slow_in_bf16)
    assert choose(CPU) == "fp32"
    assert {shape for shape, _ in multiplied} == {(256, 256)}


def test_on_a_gpu_frames_take_half_of_what_is_free_when_the_study_begins(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (10_000, 80_000))
    gpu = torch.device("cuda")
    assert memory_limit(gpu, 0, {}) == 5_000
    assert memory_limit(gpu, 0, {"threads": 1, "memory": 7_000}) == 7_000, "chunks, and so batches, stay the same"
    assert memory_limit(gpu, 0, {"threads": 1}) == 40_000, "as versions that did not remember it"
    assert memory_limit(gpu, 1e-6, {"memory": 7_000}) == 1_000
