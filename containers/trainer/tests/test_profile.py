"""The profile of a machine: bounded, true to its samples, and never a reason for training to fail."""

import json
import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from fake_nvml import build_fake_nvml, run_with
from metadata_service import metadata_service

from roslin_trainer import node_profile
from roslin_trainer.host import HostSample
from roslin_trainer.node_profile import NodeProfile
from roslin_trainer.nvml import CallError, Gpu, GpuSample, NvmlMissing
from roslin_trainer.profile_samples import Samples
from roslin_trainer.profile_series import HIGH, LOW, MAX_POINTS, MEAN, BandSeries
from roslin_trainer.storage import LocalFolder

BUSY = GpuSample(100, 16_000, 300, 70, 1500, 10, 20, 5000, 6000, ())


@pytest.fixture(autouse=True)
def no_metadata_service(monkeypatch):
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> Path:
    return build_fake_nvml(tmp_path_factory.mktemp("nvml"))


class FakeReader:
    """One GPU; what it samples is set from outside."""

    driver_version = "535.183.01"
    cuda_driver_version = (12, 2)
    gpus = [Gpu(0, "A100", "GPU-0", 40 * 2**30, (8, 0), 400.0)]

    def __init__(self):
        self.errors = {}
        self.next = BUSY

    def topology(self):
        return [["X"]]

    def sample(self):
        if isinstance(self.next, Exception):
            raise self.next
        return [self.next]

    def close(self):
        pass


class FakeClock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def read(folder: LocalFolder, node: int = 0) -> dict:
    return json.loads(folder.read(f"profile/node-{node}.json"))


def test_series_stays_bounded_and_keeps_every_extreme():
    series = BandSeries(2)
    values = np.random.default_rng(1).uniform(0, 100, (10 * MAX_POINTS + 7, 2)).astype(np.float32)
    values[4321] = 1000, -1000
    for second, row in enumerate(values):
        series.add(second, row)
    seconds, bands = series.points()
    assert len(seconds) == bands.shape[1] < MAX_POINTS
    assert bands[HIGH].max() == 1000 and bands[LOW].min() == -1000
    samples_per_point = 16
    covered = values[: len(seconds) * samples_per_point].reshape(-1, samples_per_point, 2)
    assert seconds.tolist() == list(range(0, len(covered) * samples_per_point, samples_per_point))
    np.testing.assert_allclose(bands[MEAN], covered.mean(axis=1), rtol=1e-4)
    np.testing.assert_array_equal(bands[LOW], covered.min(axis=1))
    np.testing.assert_allclose(series.newest()[MEAN], values[covered.size // 2 :].mean(axis=0), rtol=1e-4)
    np.testing.assert_allclose(series.whole()[MEAN], values.mean(axis=0), rtol=1e-5)


def test_missing_samples_count_for_nothing():
    series = BandSeries(2)
    for second in range(2 * MAX_POINTS):
        series.add(second, np.array([np.nan, 8.0 if second % 8 == 0 else np.nan], np.float32))
    _, bands = series.points()
    assert np.isnan(bands[:, :, 0]).all()
    assert set(bands[MEAN, :, 1][~np.isnan(bands[MEAN, :, 1])]) == {8.0}
    assert np.isnan(series.whole()[MEAN, 0]) and series.whole()[MEAN, 1] == 8


def test_summary_counts_energy_and_throttled_time_by_the_clock():
    samples = Samples(gpus=1)
    samples.add(1800, HostSample(50, 1000), [BUSY])
    hot = BUSY._replace(power_watts=100, throttle_reasons=("hwThermalSlowdown",))
    samples.add(3600, HostSample(100, 3000), [hot])
    summary = samples.summary()
    assert summary["hours"] == 1
    assert summary["host"] == {
        "cpuPercent": {"mean": 75, "max": 100},
        "memoryMiB": {"mean": 2000, "max": 3000},
    }
    (gpu,) = summary["gpus"]
    # Half an hour at 300 W and half an hour at 100 W.
    assert gpu["energyKwh"] == 0.2
    assert gpu["powerWatts"] == {"mean": 200, "max": 300}
    assert gpu["throttledPercent"] == {"mean": 50, "max": 100}
    assert gpu["throttledSeconds"] == {"hwThermalSlowdown": 1800}


def test_machine_without_nvml_is_profiled_by_its_processors(tmp_path, capsys):
    def missing():
        raise NvmlMissing("NVML Shared Library Not Found")

    folder = LocalFolder(tmp_path)
    with NodeProfile(folder, missing):
        pass
    found = read(folder)
    assert found["gpus"] == found["series"]["gpus"] == found["summary"]["gpus"] == []
    assert found["driverVersion"] is found["cudaDriverVersion"] is None
    assert "NVML Shared Library Not Found" in found["note"] and found["note"] in capsys.readouterr().out
    assert found["cpus"] == os.cpu_count()
    assert 0 < found["series"]["host"]["memoryMiB"]["mean"][0] <= found["memoryMiB"]
    assert found["errors"] == []


def test_profile_is_written_while_training_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(node_profile, "SAMPLE_SECONDS", 0.01)
    monkeypatch.setattr(node_profile, "WRITE_SECONDS", 0.05)
    folder = LocalFolder(tmp_path)
    writes = []
    write = folder.write

    def note_write(path, content):
        writes.append(json.loads(content))
        write(path, content)
        if len(writes) == 3:
            done.set()

    done = threading.Event()
    monkeypatch.setattr(folder, "write", note_write)
    with NodeProfile(folder, FakeReader):
        assert done.wait(10)
    lengths = [len(value["series"]["seconds"]) for value in writes]
    assert lengths == sorted(lengths) and 0 < lengths[0] < lengths[2]
    assert writes[-1]["series"]["gpus"][0]["powerWatts"]["mean"] == [300] * lengths[-1]


def test_what_is_no_whole_point_yet_is_written_too(tmp_path):
    clock = FakeClock()
    folder = LocalFolder(tmp_path)
    profile = NodeProfile(folder, FakeReader, clock)
    for second in range(1, MAX_POINTS + 2):
        clock.seconds = second
        profile.sample()
    profile.write()
    found = read(folder)
    assert len(found["series"]["seconds"]) == MAX_POINTS // 2
    assert found["newest"]["gpus"][0]["powerWatts"] == 300
    assert found["summary"]["hours"] == pytest.approx((MAX_POINTS + 1) / 3600, abs=1e-5)


def test_errors_are_noted_and_never_raised(tmp_path, capsys):
    reader = FakeReader()
    reader.errors[(0, "nvmlDeviceGetPowerUsage")] = CallError(0, "nvmlDeviceGetPowerUsage", "GPU is lost", 3)
    reader.next = OSError("the driver went away")
    folder = LocalFolder(tmp_path)
    with NodeProfile(folder, lambda: reader):
        pass
    assert read(folder)["errors"] == [
        {"gpu": 0, "call": "nvmlDeviceGetPowerUsage", "message": "GPU is lost", "count": 3},
        {"gpu": None, "call": None, "message": "OSError: the driver went away", "count": 1},
    ]
    assert capsys.readouterr().out.count("the driver went away; training goes on") == 1


def test_storage_that_fails_stops_nothing(tmp_path, monkeypatch, capsys):
    folder = LocalFolder(tmp_path)

    def fail(*_):
        raise OSError("no room")

    monkeypatch.setattr(folder, "write", fail)
    with NodeProfile(folder, FakeReader):
        pass
    assert "no room; training goes on" in capsys.readouterr().out


@pytest.mark.parametrize("what", ["driver", "storage"])
def test_what_does_not_answer_does_not_hold_up_the_end(tmp_path, monkeypatch, what):
    monkeypatch.setattr(node_profile, "CLOSE_SECONDS", 0.1)
    folder, reader, answers = LocalFolder(tmp_path), FakeReader(), threading.Event()
    silent = (reader, "sample") if what == "driver" else (folder, "write")
    monkeypatch.setattr(*silent, lambda *_: answers.wait(20) and [BUSY])
    started = time.monotonic()
    with NodeProfile(folder, lambda: reader):
        pass
    assert time.monotonic() - started < 5
    answers.set()


def test_next_attempt_keeps_what_the_earlier_ones_came_to(tmp_path, monkeypatch):
    monkeypatch.setattr(node_profile, "MAX_EARLIER_ATTEMPTS", 2)
    folder = LocalFolder(tmp_path)
    for _ in range(4):
        with NodeProfile(folder, FakeReader):
            pass
    found = read(folder)
    assert len(found["earlierAttempts"]) == 2
    last = found["earlierAttempts"][-1]
    assert last["updatedAt"] <= found["startedAt"]
    assert last["gpus"][0]["name"] == "A100" and last["summary"]["gpus"][0]["energyKwh"] >= 0
    assert "series" not in last


def test_unreadable_earlier_profile_is_left_aside(tmp_path):
    folder = LocalFolder(tmp_path)
    folder.write("profile/node-0.json", b"half of a fi")
    with NodeProfile(folder, FakeReader):
        pass
    found = read(folder)
    assert found["earlierAttempts"] == [] and "JSONDecodeError" in found["errors"][0]["message"]


def test_each_node_has_a_file_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_BATCH_JOB_NODE_INDEX", "1")
    monkeypatch.setenv("AWS_BATCH_JOB_NUM_NODES", "4")
    monkeypatch.setenv("AWS_BATCH_JOB_MAIN_NODE_INDEX", "0")
    monkeypatch.setenv("AWS_BATCH_JOB_MAIN_NODE_PRIVATE_IPV4_ADDRESS", "10.0.0.1")
    folder = LocalFolder(tmp_path)
    with NodeProfile(folder, FakeReader):
        pass
    assert read(folder, node=1)["node"] == 1


def test_instance_type_comes_from_the_metadata_service(tmp_path, monkeypatch):
    folder = LocalFolder(tmp_path)
    with metadata_service({"instance-type": "p3dn.24xlarge"}) as address:
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", f"{address}/")
        with NodeProfile(folder, FakeReader):
            pass
        assert read(folder)["instanceType"] is None, "it is disabled"
        monkeypatch.delenv("AWS_EC2_METADATA_DISABLED")
        with NodeProfile(folder, FakeReader):
            pass
        assert read(folder)["instanceType"] == "p3dn.24xlarge"
    with NodeProfile(folder, FakeReader):
        pass
    assert read(folder)["instanceType"] is None


READ_EVERYTHING = """
import dataclasses, json
from roslin_trainer.nvml import Nvml
seconds = iter(range(10_000))
nvml = Nvml(clock=lambda: next(seconds))
samples = [[sample._asdict() for sample in nvml.sample()] for _ in range(3)]
errors = [dataclasses.asdict(error) for error in nvml.errors.values()]
gpus = [dataclasses.asdict(gpu) for gpu in nvml.gpus]
print(json.dumps({"driver": nvml.driver_version, "cuda": nvml.cuda_driver_version, "gpus": gpus,
                  "topology": nvml.topology(), "samples": samples, "errors": errors}))
nvml.close()
"""


@pytest.fixture(scope="module")
def eight_v100(library) -> dict:
    """What the unmodified nvidia-ml-py reads from the library."""
    done = run_with(library, ["-c", READ_EVERYTHING], FAKE_NVML_LOST_AFTER="2")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_driver_and_cuda_versions_are_not_mistaken_for_each_other(eight_v100):
    assert (eight_v100["driver"], eight_v100["cuda"]) == ("535.183.01", [12, 2])


def test_devices_are_described(eight_v100):
    assert len(eight_v100["gpus"]) == 8
    assert eight_v100["gpus"][6] == {
        "index": 6,
        "name": "Tesla V100-SXM2-32GB",
        "uuid": "GPU-00000000-0000-0000-0000-000000000006",
        "memory_bytes": 32 * 2**30,
        "capability": [7, 0],
        "power_limit_watts": 300.0,
    }


def test_topology_is_that_of_nvidia_smi(eight_v100):
    assert [" ".join(row) for row in eight_v100["topology"]] == [
        "X NV1 NV1 NV2 NV2 SYS SYS SYS",
        "NV1 X NV2 NV1 SYS NV2 SYS SYS",
        "NV1 NV2 X NV2 SYS SYS NV1 SYS",
        "NV2 NV1 NV2 X SYS SYS SYS NV1",
        "NV2 SYS SYS SYS X NV1 NV1 NV2",
        "SYS NV2 SYS SYS NV1 X NV2 NV1",
        "SYS SYS NV1 SYS NV1 NV2 X NV2",
        "SYS SYS SYS NV1 NV2 NV1 NV2 X",
    ]


def test_every_instrument_is_read_in_its_unit(eight_v100):
    assert eight_v100["samples"][1][4] == {
        "utilisation_percent": 94,
        "memory_mib": 5 * 1024,
        "power_watts": 250,
        "temperature_celsius": 60,
        "sm_clock_mhz": 1530,
        "pcie_sent_mib_per_second": None,
        "pcie_received_mib_per_second": None,
        # The counter grows by 1 GiB a question, and the clock by a second for each GPU that counts.
        "nvlink_sent_mib_per_second": pytest.approx(1024 / 7),
        "nvlink_received_mib_per_second": pytest.approx(512 / 7),
        "throttle_reasons": [],
    }


def test_pcie_is_asked_of_one_gpu_at_a_time(eight_v100):
    asked = [
        [gpu for gpu, sample in enumerate(samples) if sample["pcie_sent_mib_per_second"] is not None]
        for samples in eight_v100["samples"]
    ]
    assert asked == [[1], [2], [3]]
    assert eight_v100["samples"][0][1]["pcie_sent_mib_per_second"] == 1
    assert eight_v100["samples"][0][1]["pcie_received_mib_per_second"] == 2


def test_throttled_gpu_is_found_and_an_idle_one_is_not(eight_v100):
    reasons = [sample["throttle_reasons"] for sample in eight_v100["samples"][0]]
    assert reasons == [[], [], ["hwThermalSlowdown"], [], [], [], [], []]


def test_calls_that_fail_leave_a_gap_and_a_note(eight_v100):
    temperatures = [samples[3]["temperature_celsius"] for samples in eight_v100["samples"]]
    powers = [samples[5]["power_watts"] for samples in eight_v100["samples"]]
    assert temperatures == [None, None, None] and powers == [250, 250, None]
    assert all(samples[7]["nvlink_sent_mib_per_second"] is None for samples in eight_v100["samples"])
    # What is not supported is asked once.
    assert eight_v100["errors"] == [
        {"gpu": 3, "call": "nvmlDeviceGetTemperature", "message": "Not Supported", "count": 1},
        {"gpu": 5, "call": "nvmlDeviceGetPowerUsage", "message": "GPU is lost", "count": 1},
    ]


def test_train_step_leaves_a_profile_of_the_gpus(make_run, library):
    run = make_run(training={"method": "lora", "epochs": 1})
    run.step("prepare")
    done = run_with(
        library,
        ["-m", "roslin_trainer", "train"],
        ROSLIN_PLAN_URI=str(run.plan_path),
        ROSLIN_SCRATCH_DIR=str(run.root / "scratch"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "profile: 8 × Tesla V100-SXM2-32GB, driver 535.183.01" in done.stdout
    found = run.json("profile/node-0.json")
    assert found["note"] is None and found["cudaDriverVersion"] == "12.2"
    assert found["topology"][0][:3] == ["X", "NV1", "NV1"]
    assert [gpu["utilisationPercent"]["max"] for gpu in found["summary"]["gpus"]] == list(range(90, 98))
    assert found["summary"]["gpus"][2]["throttledSeconds"]["hwThermalSlowdown"] > 0
    assert found["series"]["gpus"][3]["temperatureCelsius"] is None
    assert found["summary"]["gpus"][0]["energyKwh"] > 0
