package lab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"tunic/gateway/config"
)

// bridgeName is the process of the bridge.
const bridgeName = "bridge"

// BridgeAddr is where the bridge takes obfs4 connections.
var BridgeAddr = netip.MustParseAddrPort("203.0.113.20:9443")

// StartBridge starts a bridge with obfs4 in the internet, which no consensus
// lists, and returns its line for a client once it is a part of the network. It
// needs obfs4proxy. The bridge ends with the lab, or with StopBridge.
func (l *Lab) StartBridge(ctx context.Context) (line string, err error) {
	program, err := exec.LookPath("obfs4proxy")
	if err != nil {
		return "", fmt.Errorf("starting a bridge: %w: apt install obfs4proxy", err)
	}
	relays, err := l.plan.Node(RelaysNode)
	if err != nil {
		return "", err
	}
	addr := fmt.Sprintf("addr replace %s/24 dev %s\n", BridgeAddr.Addr(), relays.Uplink.Name)
	if err := run(ctx, addr, "ip", "-n", relays.Namespace, "-batch", "-"); err != nil {
		return "", fmt.Errorf("giving the bridge its address: %w", err)
	}
	dir, err := l.writeBridge(program)
	if err != nil {
		return "", fmt.Errorf("writing the configuration of the bridge: %w", err)
	}
	if _, err := l.Start(RelaysNode, bridgeName, "tor", "-f", dir+".torrc"); err != nil {
		return "", err
	}
	err = poll(ctx, func() (bool, error) {
		if !l.running(bridgeName) {
			return false, errors.New(l.logTail(bridgeName, 5))
		}
		return strings.Contains(l.logTail(bridgeName, 100), "Bootstrapped 100%"), nil
	})
	if err != nil {
		return "", fmt.Errorf("waiting for the bridge: %w", err)
	}
	return bridgeLine(dir)
}

// StopBridge ends the bridge: from then on its clients have no way in.
func (l *Lab) StopBridge(ctx context.Context) error {
	p, ok := l.process(bridgeName)
	if !ok {
		return fmt.Errorf("stopping the bridge: it was not started")
	}
	return end(ctx, []Process{p}, endGrace)
}

// writeBridge makes the bridge's directory and configuration.
func (l *Lab) writeBridge(program string) (dir string, err error) {
	network, err := os.ReadFile(filepath.Join(config.NewPaths(l.Root(l.plan.Gateways()[0])).TorrcDir(), "lab.conf"))
	if err != nil {
		return "", err
	}
	dir = filepath.Join(l.dir, "tor", bridgeName)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	text := string(network) + fmt.Sprintf(`Nickname %s
ContactInfo lab
User %s
DataDirectory %s
Log notice stdout
SocksPort 0
AssumeReachable 1
Address %s
ORPort %s:%d
OutboundBindAddress %s
ExitPolicy reject *:*
BridgeRelay 1
PublishServerDescriptor 0
ExtORPort auto
ServerTransportPlugin obfs4 exec %s
ServerTransportListenAddr obfs4 %s
ShutdownWaitLength 0
`, bridgeName, config.TorUser, dir, BridgeAddr.Addr(), BridgeAddr.Addr(), ORPort, BridgeAddr.Addr(), program, BridgeAddr)
	if err := os.WriteFile(dir+".torrc", []byte(text), 0o644); err != nil {
		return "", err
	}
	return dir, chownTree(dir, config.TorUser)
}

var obfs4Args = regexp.MustCompile(`(?m)^Bridge obfs4 .* (cert=\S+ iat-mode=\S+)$`)

// bridgeLine puts together what tor and obfs4proxy wrote about themselves.
func bridgeLine(dir string) (string, error) {
	fingerprint, err := findIn(filepath.Join(dir, "fingerprint"), fingerprintLine)
	if err != nil {
		return "", err
	}
	args, err := findIn(filepath.Join(dir, "pt_state/obfs4_bridgeline.txt"), obfs4Args)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("obfs4 %s %s %s", BridgeAddr, fingerprint, args), nil
}
