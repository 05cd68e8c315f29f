"""Runs Debian's onionbalance in the lab's Tor network.

Its --is-testnet takes the 20 seconds between two consensuses for granted that
chutney has. The lab's authorities vote every half an hour, and what follows from
that (rend-spec-v3, "Dividing time into periods") is said here, and it begins
after 10 seconds instead of 45: in a testing network it takes a descriptor of 20
seconds for that of a box that is off.

And no descriptor has two introduction points at one relay. Among ten relays three
boxes often choose the same one, and a visitor's tor 0.4.9 finds the point it has
asked by the relay alone, so it takes the first for the second
(find_desc_intro_point_by_legacy_id): when the first one's box is dead it asks
there without end, and neither tries the other box nor fetches the descriptor.

Nothing else of it is changed.
"""

import itertools
import random
import sys
from importlib.metadata import distribution

from onionbalance.common.intro_point_set import IntroductionPointSet
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


def relay(point):
    return next(link.value for link in point.link_specifiers if link.type == 2)  # tor-spec, "Link specifiers"


def choose(self, count=10, shuffle=True):
    chosen = {}
    for point in itertools.islice(self._intro_point_generator, len(self)):
        if len(chosen) < count:
            chosen.setdefault(relay(point), point)
    points = list(chosen.values())
    if shuffle:
        random.shuffle(points)
    return points


IntroductionPointSet.choose = choose

main = next(e for e in distribution("onionbalance").entry_points if e.group == "console_scripts" and e.name == "onionbalance")
sys.exit(main.load()())
