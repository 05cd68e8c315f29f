package rules

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
)

// Listed is how many devices with a policy of their own stand in one list. More are spread
// over buckets, where the kernel can (Input.Buckets): the first packet of a connection meets
// those of one bucket, not all.
const Listed = 64

const (
	buckets            = 16
	bucketShift        = 28         // what is left of 32 bits is a number below buckets
	golden      uint32 = 0x9e3779b1 // a prime near 2^32 through the golden ratio: neighbours fall apart
)

// Programs of xt_bpf are classic BPF (bpf(4)): each instruction a code, where to jump if a
// comparison holds and if not, and a number. What lies before the IP header is read at
// SKF_LL_OFF, and the sender's hardware address is 6 bytes into an Ethernet header.
const sender uint32 = 0xffe00000 + 6

// BucketRule matches devices of one bucket, whichever it is: what a kernel and an iptables
// have to know.
func BucketRule() string { return bucket(0) }

// bucket matches frames from devices of that bucket. One without a hardware address is in none,
// as "-m mac" matches none.
func bucket(n int) string {
	program := []string{
		fmt.Sprintf("32 0 0 %d", sender+2), // the last four bytes
		"7 0 0 0",
		fmt.Sprintf("40 0 0 %d", sender), // and the first two
		"12 0 0 0",                       // together
		fmt.Sprintf("36 0 0 %d", golden),
		fmt.Sprintf("116 0 0 %d", bucketShift),
		fmt.Sprintf("21 0 1 %d", n),
		"6 0 0 65535",
		"6 0 0 0",
	}
	return fmt.Sprintf(`-m bpf --bytecode "%d,%s"`, len(program), strings.Join(program, ","))
}

// bucketOf is what such a program computes.
func bucketOf(mac string) int {
	a, err := hex.DecodeString(strings.ReplaceAll(mac, ":", ""))
	if err != nil || len(a) != 6 {
		return -1
	}
	sum := binary.BigEndian.Uint32(a[2:]) + uint32(binary.BigEndian.Uint16(a))
	return int(sum * golden >> bucketShift)
}

// differing are the devices whose policy is not everybody's.
func (c compiler) differing() []Device {
	var list []Device
	for _, d := range c.Devices {
		if d.Policy != c.Default {
			list = append(list, d)
		}
	}
	return list
}

// spread reports whether they are spread over buckets.
func (c compiler) spread() bool { return c.Buckets && len(c.differing()) > Listed }

// buckets are the chains that devices are spread over, and those that mark.
func (c compiler) buckets() []Chain {
	if !c.spread() {
		return nil
	}
	var list []Chain
	for n := range buckets {
		list = append(list, Chain{Name: bucketChain(n)})
	}
	for _, d := range c.differing() {
		list[bucketOf(d.MAC)].add("-m mac --mac-source %s -g %s", d.MAC, asChain(d.Policy))
	}
	for p := Tor; p <= Block; p++ { // also of no device: another policy makes no new chain
		if p != c.Default {
			chain := Chain{Name: asChain(p)}
			chain.add("-j CONNMARK --set-xmark %#x/%#x", p.Mark(), MarkMask)
			list = append(list, chain)
		}
	}
	return list
}

func bucketChain(n int) string { return fmt.Sprintf("%s-%X", chainDevice, n) }

func asChain(p Policy) string { return chainAs + strings.ToUpper(p.String()) }
