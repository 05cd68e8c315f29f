package relaytime

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Commands of cells (tor-spec, "Cell Packet format").
const (
	cellNetinfo  = 8
	cellVersions = 7
	cellVariable = 128 // this and above have a length of their own, as VERSIONS has
	cellCerts    = 129
)

// fixedLen is the payload of cells that have no length of their own.
const fixedLen = 509

// maxCells bounds what is read until the time comes: there are four cells, and
// padding.
const maxCells = 16

// versions offers the link protocols 4 and 5; the circuit is the one number of a
// cell that had two bytes before a version was agreed on.
var versions = []byte{0, 0, cellVersions, 0, 4, 0, 4, 0, 5}

// readCell reads one cell whose circuit has so many bytes.
func readCell(r io.Reader, circuit int) (command byte, payload []byte, err error) {
	head := make([]byte, circuit+1)
	if _, err := io.ReadFull(r, head); err != nil {
		return 0, nil, err
	}
	command = head[circuit]
	size := fixedLen
	if command == cellVersions || command >= cellVariable {
		var length [2]byte
		if _, err := io.ReadFull(r, length[:]); err != nil {
			return 0, nil, err
		}
		size = int(binary.BigEndian.Uint16(length[:]))
	}
	payload = make([]byte, size)
	_, err = io.ReadFull(r, payload)
	return command, payload, err
}

// readHello reads what a relay says of itself when a link begins: the
// certificates, and its time in seconds of Unix.
func readHello(r io.Reader) (certs []byte, seconds uint32, err error) {
	if command, _, err := readCell(r, 2); err != nil || command != cellVersions {
		return nil, 0, errors.Join(errors.New("it speaks another protocol"), err)
	}
	for range maxCells {
		command, payload, err := readCell(r, 4)
		switch {
		case err != nil:
			return nil, 0, err
		case command == cellCerts && certs == nil:
			certs = payload
		case command == cellNetinfo && certs == nil:
			return nil, 0, errors.New("it told the time before it said who it is")
		case command == cellNetinfo:
			return certs, binary.BigEndian.Uint32(payload), nil
		}
	}
	return nil, 0, fmt.Errorf("it has not told the time in %d cells", maxCells)
}
