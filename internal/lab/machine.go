package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A machine is a whole system, with a kernel's view of its own, that is plugged
// in where a gateway would be. Of the gateway's namespace there are only the
// wires then: what the machine sends is captured like a gateway's, from before
// it is switched on, and while it is off the household has no way out.
//
//	br0 -- wan: br-wan --to-wan--- wan0: machine :lan0 ---to-lan-- br-lan -- phone, laptop, nas

// The interfaces of a machine: towards the internet, and of the household.
const (
	MachineUplink = "wan0"
	MachineLAN    = "lan0"
)

// The ports at the other ends of the machine's cables.
const (
	uplinkPort = "to-wan"
	lanPort    = "to-lan"
)

// uplinkBridge joins the lab's cable and the machine's.
const uplinkBridge = "br-wan"

// gatewayBridges makes what the devices of a household are connected to.
func gatewayBridges(n Node) []string {
	if !n.Machine {
		return []string{fmt.Sprintf("link add %s address %s type bridge stp_state 0 mcast_snooping 0", n.LAN.Name, n.LAN.MAC)}
	}
	return []string{
		fmt.Sprintf("link add %s type bridge stp_state 0 mcast_snooping 0", n.LAN.Name),
		fmt.Sprintf("link add %s type bridge stp_state 0 mcast_snooping 0", uplinkBridge),
		fmt.Sprintf("link set %s master %s", n.Uplink.Name, uplinkBridge),
	}
}

// panelUp switches the wires on that a machine will be plugged into.
func panelUp(n Node) batch {
	b := batch{Node: n.Name}
	for _, i := range []string{n.Uplink.Name, uplinkBridge, n.LAN.Name} {
		b.Lines = append(b.Lines, "link set "+i+" up")
	}
	return b
}

// PlugIn makes a new network namespace for the machine in a gateway's place,
// with the interfaces MachineUplink and MachineLAN, down, as a kernel has them
// when it has just started; beside a router MachineLAN alone. It returns the
// namespace's name; the one of before goes, with all that was in it.
func (l *Lab) PlugIn(ctx context.Context, gateway string) (namespace string, err error) {
	n, err := l.machine(gateway)
	if err != nil {
		return "", err
	}
	l.unplug(ctx, n)
	namespace = machineNamespace(n)
	if err := run(ctx, "", "ip", "netns", "add", namespace); err != nil {
		return "", fmt.Errorf("making the network of a machine: %w", err)
	}
	b := batch{Node: gateway, Lines: machineCable(lanPort, n.LAN.Name, MachineLAN, n.LAN.MAC, namespace)}
	if !n.Beside {
		b.Lines = append(b.Lines, machineCable(uplinkPort, uplinkBridge, MachineUplink, n.Uplink.MAC, namespace)...)
	}
	return namespace, l.apply(ctx, []batch{b})
}

// PlugInTaps makes the cables of an emulator that plays the machine: it runs in
// the namespace, and each cable is a tap (tuntap.rst of the kernel) that is
// plugged in at one end already.
func (l *Lab) PlugInTaps(ctx context.Context, gateway string) (namespace string, uplink, household Tap, err error) {
	n, err := l.machine(gateway)
	if err != nil {
		return "", uplink, household, err
	}
	l.unplug(ctx, n)
	uplink, household = Tap{uplinkPort, n.Uplink.MAC}, Tap{lanPort, n.LAN.MAC}
	lines := append(tapCable(uplinkPort, uplinkBridge), tapCable(lanPort, n.LAN.Name)...)
	return n.Namespace, uplink, household, l.apply(ctx, []batch{{Node: gateway, Lines: lines}})
}

// Tap is the cable of an emulated machine: the port in the lab, and the address
// of the machine's interface.
type Tap struct{ Port, MAC string }

func tapCable(port, bridge string) []string {
	return []string{
		fmt.Sprintf("tuntap add dev %s mode tap", port),
		fmt.Sprintf("link set %s master %s", port, bridge),
		fmt.Sprintf("link set %s up", port),
	}
}

// unplug removes the namespace and the cables of the machine of before. A
// namespace goes a moment after its last process, so the cables are removed too.
func (l *Lab) unplug(ctx context.Context, n Node) {
	_ = run(ctx, "", "ip", "netns", "delete", machineNamespace(n)) // there may be none
	for _, port := range []string{uplinkPort, lanPort} {
		_ = run(ctx, "", "ip", "-n", n.Namespace, "link", "delete", port)
	}
}

func machineNamespace(n Node) string { return n.Namespace + "-machine" }

func machineCable(port, bridge, name, mac, namespace string) []string {
	return []string{
		fmt.Sprintf("link add %s type veth peer name %s address %s netns %s", port, name, mac, namespace),
		fmt.Sprintf("link set %s master %s", port, bridge),
		fmt.Sprintf("link set %s up", port),
	}
}

// SetUplink pulls the machine's cable to the internet out, or plugs it in.
func (l *Lab) SetUplink(ctx context.Context, gateway string, up bool) error {
	n, err := l.machine(gateway)
	if err != nil {
		return err
	}
	state := "down"
	if up {
		state = "up"
	}
	return l.apply(ctx, []batch{{Node: n.Name, Lines: []string{"link set " + uplinkPort + " " + state}}})
}

// StartMachine starts the program that runs a machine. Unlike Start it leaves
// the namespaces to the program: nothing but its end is the lab's business.
func (l *Lab) StartMachine(gateway string, argv ...string) (Process, error) {
	if _, err := l.machine(gateway); err != nil {
		return Process{}, err
	}
	return l.start(gateway, machineName(gateway), argv)
}

// MachineProcess returns what StartMachine has started; it may have ended.
func (l *Lab) MachineProcess(gateway string) (Process, error) {
	if p, ok := l.process(machineName(gateway)); ok {
		return p, nil
	}
	return Process{}, fmt.Errorf("finding the machine of %s: it was not started", gateway)
}

// Leader returns the id, as the lab sees it, of process 1 of the machine in the
// gateway's place.
func (l *Lab) Leader(gateway string) (int, error) {
	p, err := l.MachineProcess(gateway)
	if err != nil {
		return 0, err
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", p.PID, p.PID))
	if err != nil || !p.Alive() {
		return 0, fmt.Errorf("finding the machine of %s: it is off: see %s", gateway, l.LogFile(p.Name))
	}
	for _, field := range strings.Fields(string(text)) {
		if isFirst(field) {
			return strconv.Atoi(field)
		}
	}
	return 0, fmt.Errorf("finding the machine of %s: it has no process 1 yet", gateway)
}

// isFirst reports whether a process is number 1 of a namespace of its own
// (NSpid of proc_pid_status(5)).
func isFirst(pid string) bool {
	text, err := os.ReadFile("/proc/" + pid + "/status")
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 2 && f[0] == "NSpid:" {
			return f[len(f)-1] == "1"
		}
	}
	return false
}

// machineArgv runs a command inside a machine, with a login's environment.
func (l *Lab) machineArgv(gateway string, args []string) ([]string, error) {
	leader, err := l.Leader(gateway)
	if err != nil {
		return nil, err
	}
	return slices.Concat([]string{"nsenter", "-t", strconv.Itoa(leader), "-a", "env", "-i", "HOME=/root", "LANG=C.UTF-8", "TERM=dumb",
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}, args), nil
}

func machineName(gateway string) string { return "machine-" + gateway }

func (l *Lab) machine(gateway string) (Node, error) {
	n, err := l.plan.Node(gateway)
	if err == nil && !n.Machine {
		err = fmt.Errorf("finding the machine of %s: the lab was built without one", gateway)
	}
	return n, err
}

// unmountAll unmounts whatever is mounted below the lab's directory, the last
// mount first.
func (l *Lab) unmountAll() error {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return fmt.Errorf("looking for what is mounted: %w", err)
	}
	var errs []error
	for _, at := range slices.Backward(mountsBelow(string(text), l.dir)) {
		if err := unix.Unmount(at, 0); err != nil {
			errs = append(errs, fmt.Errorf("unmounting %s: %w", at, err))
		}
	}
	return errors.Join(errs...)
}

// mountsBelow reads the mount points below dir from the text of
// /proc/PID/mountinfo (proc_pid_mountinfo(5)), in the order of mounting.
func mountsBelow(mountinfo, dir string) []string {
	var found []string
	for line := range strings.Lines(mountinfo) {
		if f := strings.Fields(line); len(f) > 4 && strings.HasPrefix(f[4], dir+"/") {
			found = append(found, f[4])
		}
	}
	return found
}
