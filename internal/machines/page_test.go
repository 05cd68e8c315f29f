//go:build machines

package machines

const heading = `# Real machines

Written by ` + "`make machines-long`" + `. Each Debian is a whole system: systemd is process 1, tunic was
installed by the README's own steps and is run by its units, Debian's tor, Dovecot, Prosody, ngIRCd and
nftables are there as their packages leave them, and systemd-networkd configures the network, or where the
table says so NetworkManager, in whose hotspot the household is then. It stands in the place of the lab's gateway (` +
	"`internal/machines`" + `). All the time a device sends 200 packets a second
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

const processesHeading = `
## Processes at run time

Every process of tunic.service is looked at in /proc while all servers run, and held to this table on both
Debians: user and effective capabilities as below, no new privileges, a filter of system calls (seccomp), and mount
and UTS namespaces of the unit's own. The bounding set of the children is the parent's: to drop it takes
CAP_SETPCAP, which the parent lacks, and without new privileges nobody can have any of it. Network, process and user namespaces are
the host's, since rules, interfaces and the children's users are; only commands for friends have some of their own.

| processes | user | capabilities | why |
|---|---|---|---|
`

const reasons = `
## What remains of the units' exposure

| point | why |
|---|---|
| root, and nine capabilities | the parent makes rules, starts and ends children as their users, owns tor's keys; children have none |
| @privileged system calls | by them the parent becomes the children's users and gives them files (setuid, chown) |
| the clock (ProtectClock, @clock) | adjtimex says whether the clock is kept, and how well. Setting it takes CAP_SYS_TIME, which it lacks |
| the network of the host | the whole point: rules and interfaces of the host |
| AF_NETLINK, AF_UNIX, AF_INET, AF_INET6 | netlink for rules and addresses, a unix socket to command tor; tor and serve speak IP |
| PrivateUsers | capabilities over the host's network do not exist in a user namespace |
| IPAddressDeny | tor speaks to relays at any address; the rules are tunic's own |
| namespaces (user, pid, net, ipc) | commands for friends have their own, which the parent makes; children cannot make any |
| ProcSubset | the network's switches, whether packets are forwarded for one, are in /proc/sys |
| RootDirectory | the configuration, the state and Debian's servers lie in the file system of the host |

## What is not tried on machines

| what | why, and what is tried instead |
|---|---|
| the radio of a hotspot | there is none; NetworkManager shares its connection by Ethernet, with the same rules and server of addresses |
`
