"""How the GPUs of a machine are connected: by NVLink, or over PCIe and the processors."""

NVLINK_MAX_LINKS = 18  # nvml.h, NVML_NVLINK_MAX_LINKS
SELF = "X"


def topology(nvml, handles: list) -> list[list[str]]:
    """A square matrix in the words of `nvidia-smi topo -m` (NV2, PIX, PXB, PHB, NODE, SYS); `?`: unknown."""
    links = _links(nvml, handles)
    return [
        [SELF if i == j else _connection(nvml, handles, links, i, j) for j in range(len(handles))]
        for i in range(len(handles))
    ]


def _connection(nvml, handles: list, links: list[list[str]], i: int, j: int) -> str:
    nvlinks = _nvlinks(nvml, handles, links, i, j)
    if nvlinks:
        return f"NV{nvlinks}"
    names = {
        nvml.NVML_TOPOLOGY_INTERNAL: "PSB",
        nvml.NVML_TOPOLOGY_SINGLE: "PIX",
        nvml.NVML_TOPOLOGY_MULTIPLE: "PXB",
        nvml.NVML_TOPOLOGY_HOSTBRIDGE: "PHB",
        nvml.NVML_TOPOLOGY_NODE: "NODE",
        nvml.NVML_TOPOLOGY_SYSTEM: "SYS",
    }
    try:
        return names.get(nvml.nvmlDeviceGetTopologyCommonAncestor(handles[i], handles[j]), "?")
    except nvml.NVMLError:
        return "?"


def _nvlinks(nvml, handles: list, links: list[list[str]], i: int, j: int) -> int:
    """Links straight from one GPU to another; or over NVSwitch, which is where all links then lead."""
    buses = [_bus(nvml, handle) for handle in handles]
    direct = links[i].count(buses[j])
    over_switch = [sum(remote not in buses for remote in links[gpu]) for gpu in (i, j)]
    return direct or min(over_switch)


def _links(nvml, handles: list) -> list[list[str]]:
    """For each GPU, where its active NVLinks end: the bus id of the device there."""
    ends: list[list[str]] = []
    for handle in handles:
        ends.append([])
        for link in range(NVLINK_MAX_LINKS):
            try:
                if nvml.nvmlDeviceGetNvLinkState(handle, link) == nvml.NVML_FEATURE_ENABLED:
                    ends[-1].append(_text(nvml.nvmlDeviceGetNvLinkRemotePciInfo(handle, link).busId))
            except nvml.NVMLError:
                # There are no more links, or none at all.
                break
    return ends


def _bus(nvml, handle) -> str:
    try:
        return _text(nvml.nvmlDeviceGetPciInfo(handle).busId)
    except nvml.NVMLError:
        return ""


def _text(value: bytes | str) -> str:
    return (value.decode() if isinstance(value, bytes) else value).upper()
