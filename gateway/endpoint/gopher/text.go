package gopher

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// writeText sends a text as RFC 1436 section 3.6 wants it: lines end in CR LF,
// a line that begins with a dot gets another one in front, and a dot alone
// ends it all.
func writeText(w *bufio.Writer, text io.Reader) error {
	r := bufio.NewReaderSize(text, bufferSize)
	last := byte('\n')
	for {
		b, err := r.ReadByte()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("reading a text: %w", err)
		}
		switch {
		case b == '\n' && last != '\r':
			w.WriteByte('\r')
		case b == '.' && last == '\n':
			w.WriteByte('.')
		}
		if err := w.WriteByte(b); err != nil { // an earlier error is still there
			return fmt.Errorf("sending a text: %w", err)
		}
		last = b
	}
	if last != '\n' {
		w.WriteString("\r\n")
	}
	_, err := w.WriteString(".\r\n")
	return err
}
