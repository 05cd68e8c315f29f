//go:build machines

package machines

const heading = `# Real machines

Written by ` + "`make machines-long`" + `. Each Debian is a whole system: systemd is process 1, tunic was
installed by the README's own steps and is run by its units, Debian's tor, Dovecot, Prosody, ngIRCd and
nftables are there as their packages leave them, and systemd-networkd configures the network, or where the
table says so NetworkManager, in whose hotspot the household is then. It stands in the place of the lab's gateway (` + "`internal/machines`" + `). All the time a device sends 200 packets a second
that have no way out: UDP, NTP, TCP without a connection and ICMP, of both families.

Leaked are packets on the uplink, from before the machine was switched on, that are neither tor's to a relay
nor what every host says to its own link. "Outside" means that the household is outside tunic for a part of it:
before tunic is there, and after it was taken away.

A clock that is years behind, systemd-timesyncd and chrony take a kernel of their own: ` + "`make machines-clock`" + ` wakes both
Debians so ([decision 55](decisions/0055-a-wrong-clock-is-tried-in-an-emulator.md)).

`

const figuresHeading = `
## Figures

Two processors and a busy system under it: times are upper bounds. Memory is PSS (shared pages are divided
among those who share them) after one login at each server.

`

const reasons = `
## What remains of the units' exposure

| point | why |
|---|---|
| root, and nine capabilities | the parent makes rules, becomes the children's users, ends them, and owns key files that are tor's; the children have none |
| @privileged system calls | by them the parent becomes the children's users and gives them files (setuid, chown) |
| the clock (ProtectClock, @clock) | adjtimex, by which the kernel says whether its clock is kept and how wrong it is: devices are told so. To set the clock takes CAP_SYS_TIME, which nobody in the unit has |
| the network of the host | the whole point: rules and interfaces of the host |
| AF_NETLINK, AF_UNIX, AF_INET, AF_INET6 | rules and addresses are told by netlink, tor is told by a unix socket what to do, tor and serve speak IP |
| PrivateUsers | capabilities over the host's network do not exist in a user namespace |
| IPAddressDeny | tor speaks to relays at any address; the rules are tunic's own |
| ProcSubset | the network's switches, whether packets are forwarded for one, are in /proc/sys |
| RootDirectory | the configuration, the state and Debian's servers lie in the file system of the host |

## What is not tried on machines

| what | why, and what is tried instead |
|---|---|
| the radio of a hotspot | there is none; NetworkManager shares its connection with an Ethernet interface, for which it makes the same rules and starts the same server of addresses |
`
