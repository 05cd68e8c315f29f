package probe

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"
)

// checkIRC says goodbye at once; a server answers that it closes the link (RFC
// 2812, section 3.1.7), after whatever it says to everybody.
func checkIRC(c *conversation, _ string) (Result, error) {
	if err := c.say("QUIT\r\n"); err != nil {
		return Result{}, err
	}
	text, err := c.line()
	if err != nil {
		return Result{}, err
	}
	for _, prefix := range []string{":", "ERROR", "NOTICE", "PING", "451"} {
		if strings.HasPrefix(text, prefix) {
			return Result{Saw: "IRC"}, nil
		}
	}
	return Result{}, fmt.Errorf("%w: it says %q", ErrOther, Line(text))
}

// checkXMPP opens a stream and closes it (RFC 6120, section 4.2).
func checkXMPP(namespace string) converse {
	return func(c *conversation, host string) (Result, error) {
		err := c.say(`<?xml version='1.0'?><stream:stream to='` + host + `' version='1.0' xmlns='` + namespace +
			`' xmlns:stream='http://etherx.jabber.org/streams'>`)
		if err != nil {
			return Result{}, err
		}
		for {
			tag, err := c.r.ReadString('>')
			switch {
			case strings.Contains(tag, "<stream:stream"):
				_ = c.say("</stream:stream>") // for politeness
				return Result{Saw: "XMPP"}, nil
			case err != nil && tag == "":
				return Result{}, silence(err)
			case err != nil || !strings.HasPrefix(strings.TrimSpace(tag), "<?xml"):
				return Result{}, fmt.Errorf("%w: it does not speak XMPP", ErrOther)
			}
		}
	}
}

// checkGopher asks for the first menu (RFC 1436, section 3.1).
func checkGopher(c *conversation, _ string) (Result, error) {
	if err := c.say("\r\n"); err != nil {
		return Result{}, err
	}
	text, err := c.line()
	if err != nil {
		return Result{}, err
	}
	if text != "." && strings.Count(text, "\t") < 3 {
		return Result{}, fmt.Errorf("%w: its first line is no item of a menu", ErrOther)
	}
	return Result{Saw: "a Gopher menu"}, nil
}

// checkRDP sends an X.224 connection request ([MS-RDPBCGR], section 2.2.1.1)
// and wants a TPKT header back.
func checkRDP(c *conversation, _ string) (Result, error) {
	request := []byte{3, 0, 0, 19, 14, 0xe0, 0, 0, 0, 0, 0, 1, 0, 8, 0, 3, 0, 0, 0}
	return asked(c, request, 4, func(b []byte) bool { return b[0] == 3 && b[1] == 0 }, "RDP")
}

// check9P proposes a version (intro(5) of Plan 9: Tversion is 100, Rversion 101).
func check9P(c *conversation, _ string) (Result, error) {
	version := "9P2000"
	m := binary.LittleEndian.AppendUint32(nil, uint32(4+1+2+4+2+len(version)))
	m = append(m, 100, 0xff, 0xff) // NOTAG
	m = binary.LittleEndian.AppendUint32(m, 8192)
	m = append(binary.LittleEndian.AppendUint16(m, uint16(len(version))), version...)
	return asked(c, m, 7, func(b []byte) bool { return b[4] == 101 || b[4] == 107 }, "9P")
}

// checkSMB offers dialects ([MS-SMB2], section 2.2.3) and wants an SMB2 header.
func checkSMB(c *conversation, _ string) (Result, error) {
	header := make([]byte, 64)
	copy(header, "\xfeSMB")
	header[4] = 64 // StructureSize
	body := make([]byte, 36)
	body[0], body[2] = 36, 2                    // StructureSize, DialectCount
	body = append(body, 0x02, 0x02, 0x10, 0x02) // SMB 2.0.2 and 2.1
	m := append(header, body...)                // NetBIOS session header before it
	m = append([]byte{0, 0, 0, byte(len(m))}, m...)
	return asked(c, m, 8, func(b []byte) bool { return string(b[4:8]) == "\xfeSMB" }, "SMB")
}

// asked sends a request and judges the first bytes of the answer.
func asked(c *conversation, request []byte, n int, good func([]byte) bool, name string) (Result, error) {
	if err := c.say(string(request)); err != nil {
		return Result{}, err
	}
	b, err := c.bytes(n)
	if err != nil {
		return Result{}, err
	}
	if !good(b) {
		return Result{}, fmt.Errorf("%w: it does not speak %s", ErrOther, name)
	}
	return Result{Saw: name}, nil
}

// checkMinecraft asks for the status that the list of servers shows (server
// list ping of Minecraft: Java Edition).
func checkMinecraft(c *conversation, host string) (Result, error) {
	hello := append([]byte{0, 0xff, 0xff, 0xff, 0xff, 0x0f, byte(len(host))}, host...) // handshake, version -1
	hello = append(hello, 0x63, 0xdd, 1)                                               // port 25565, next state: status
	m := append([]byte{byte(len(hello))}, hello...)
	if err := c.say(string(append(m, 1, 0))); err != nil {
		return Result{}, err
	}
	for range 3 { // length of the packet, its id, length of the text
		if _, err := binary.ReadUvarint(c.r); err != nil {
			return Result{}, silence(err)
		}
	}
	var status struct{ Version struct{ Name string } }
	if err := json.NewDecoder(c.r).Decode(&status); err != nil {
		return Result{}, fmt.Errorf("%w: it is no Minecraft server", ErrOther)
	}
	return Result{Saw: strings.TrimSpace("Minecraft " + status.Version.Name)}, nil
}
