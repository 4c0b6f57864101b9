"""One request to two services in turns."""

from harness.service import Service

from bench.databases import Database
from bench.load import Load, make_request, run_load
from bench.scene import Scene, ask, headers_of, port_of

_WARM_UP_S = 1


def measure_turns(
    scene: Scene, few: Service, many: Service, account: str, path: str, database: Database
) -> tuple[list[Load], list[Load]]:
    """The account's requests to one service and the other in turns."""
    seconds = max(scene.seconds - 1, 1)
    loads: dict[Service, list[Load]] = {few: [], many: []}
    plans = {one: [make_request("GET", path, headers_of(one, account))] for one in loads}
    for one in loads:
        ask(one.client(account), "GET", path)
        run_load(one.pid, port_of(one), plans[one], _WARM_UP_S)
    for _ in range(scene.rounds):
        for one in loads:
            loads[one].append(run_load(one.pid, port_of(one), plans[one], seconds, database.server))
    return loads[few], loads[many]
