"""Runs Debian's onionbalance in the lab's Tor network.

Its --is-testnet takes the 20 seconds between two consensuses for granted that
chutney has. The lab's authorities vote every half an hour, and what follows from
that (rend-spec-v3, "Dividing time into periods") is said here, and it begins
after 10 seconds instead of 45: in a testing network it takes a descriptor of 20
seconds for that of a box that is off. Nothing else of it is changed.
"""

import sys
from importlib.metadata import distribution

from onionbalance.hs_v3 import consensus, params

VOTING = 30 * 60  # internal/lab/relays.go, votingInterval


def run_start(self):
    at = consensus.stem.util.datetime_to_unix(self.consensus.valid_after)
    return int(at - (at // VOTING % 24) * VOTING)


consensus.Consensus._get_srv_phase_duration = lambda self: 12 * VOTING // 60
consensus.Consensus.get_time_period_length = lambda self: 24 * VOTING // 60
consensus.Consensus.get_start_time_of_current_srv_run = run_start
consensus.Consensus.get_start_time_of_previous_srv_run = lambda self: run_start(self) - 24 * VOTING

params.INITIAL_CALLBACK_DELAY = 10

main = next(e for e in distribution("onionbalance").entry_points if e.group == "console_scripts" and e.name == "onionbalance")
sys.exit(main.load()())
