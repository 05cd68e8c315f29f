package rules

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// crowd is a house with n devices beside house()'s, of all policies.
func crowd(n int) Input {
	in := house()
	for i := range n {
		in.Devices = append(in.Devices, Device{MAC: fmt.Sprintf("02:%02x:%02x:00:01:00", i>>8, i&0xff), Policy: Policy(i%4) + Tor})
	}
	in.Buckets = true
	return in
}

func markOf(t *testing.T, set Ruleset, mac, to string) Policy {
	t.Helper()
	e, err := Explain(set, device(mac, "tcp", to))
	if err != nil {
		t.Fatal(err)
	}
	return e.Mark
}

// TestBuckets: each of many devices is marked as it would be from a list, and few rules are
// looked at for it.
func TestBuckets(t *testing.T) {
	in := crowd(1000)
	spread := mustCompile(t, in)
	in.Buckets = false
	listed := mustCompile(t, in)
	for _, to := range []string{"198.51.100.1:443", "[2001:db8:5::1]:443"} {
		for _, d := range append(in.Devices, Device{MAC: macUnknown, Policy: in.Default}) {
			if a, b := markOf(t, spread, d.MAC, to), markOf(t, listed, d.MAC, to); a != d.Policy || b != d.Policy {
				t.Errorf("%s is marked %v from a bucket and %v from the list, want %v", d.MAC, a, b, d.Policy)
			}
		}
	}
	table, _ := spread.Table(IPv4, "mangle")
	for _, c := range table.Chains {
		if strings.HasPrefix(c.Name, chainDevice+"-") && len(c.Rules) > 2*len(in.Devices)/buckets {
			t.Errorf("%s has %d rules", c.Name, len(c.Rules))
		}
	}
	if n := len(chainRules(t, spread, IPv4, "mangle", chainDevice)); n > buckets+1 {
		t.Errorf("%s has %d rules", chainDevice, n)
	}
}

// TestBucketsForMany: a list is shorter for few devices, and the only way where the kernel
// cannot look at bytes. Devices with everybody's policy are in neither.
func TestBucketsForMany(t *testing.T) {
	few, unable, ordinary := crowd(0), crowd(1000), crowd(0)
	unable.Buckets = false
	for i := range 1000 {
		ordinary.Devices = append(ordinary.Devices, Device{MAC: fmt.Sprintf("02:03:%02x:%02x:00:01", i>>8, i&0xff), Policy: Tor})
	}
	for name, in := range map[string]Input{"few": few, "unable": unable, "ordinary": ordinary} {
		if text := mustCompile(t, in).String(); strings.Contains(text, "-m bpf") || strings.Contains(text, chainDevice+"-") {
			t.Errorf("%s: there are buckets", name)
		}
	}
}

// TestEachRuleOfBucketsIsMissed takes out one rule after the other: some device is then marked
// otherwise.
func TestEachRuleOfBucketsIsMissed(t *testing.T) {
	in := crowd(80)
	set := mustCompile(t, in)
	for ti := range set.Tables {
		for ci := range set.Tables[ti].Chains {
			chain := &set.Tables[ti].Chains[ci]
			if !strings.HasPrefix(chain.Name, chainDevice+"-") && !strings.HasPrefix(chain.Name, chainAs) && chain.Name != chainDevice {
				continue
			}
			to := map[Family]string{IPv4: "198.51.100.1:443", IPv6: "[2001:db8:5::1]:443"}[set.Tables[ti].Family]
			whole := chain.Rules
			for i, rule := range whole {
				chain.Rules = slices.Delete(slices.Clone(whole), i, i+1)
				if !slices.ContainsFunc(in.Devices, func(d Device) bool { return markOf(t, set, d.MAC, to) != d.Policy }) {
					t.Errorf("nobody misses %v %s %s", set.Tables[ti].Family, chain.Name, rule)
				}
			}
			chain.Rules = whole
		}
	}
}

// TestBucketProgram has the code of xt_bpf as iptables prints it.
func TestBucketProgram(t *testing.T) {
	const want = `-m bpf --bytecode "9,32 0 0 4292870152,7 0 0 0,40 0 0 4292870150,12 0 0 0,36 0 0 2654435761,` +
		`116 0 0 28,21 0 1 7,6 0 0 65535,6 0 0 0"`
	if got := bucket(7); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	if n := bucketOf("no address"); n != -1 {
		t.Errorf("what has no address is in bucket %d", n)
	}
}
