package parts

import (
	"io"
	"strings"
	"testing"

	"tunic/gateway/endpoint/smtp/message"
)

// BenchmarkAttachment is a mail with ten megabytes attached, which are looked at
// as they are and decoded.
func BenchmarkAttachment(b *testing.B) {
	body := "--b\r\nContent-Transfer-Encoding: base64\r\n\r\n" + strings.Repeat(strings.Repeat("iVBORw0KGgoAAAAN", 4)+"\r\n", 10<<20/66) +
		"--b--\r\n"
	h := message.Header{message.New("Content-Type", "multipart/mixed; boundary=b")}
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if _, err := rules.Rewrite(io.Discard, h, opens(body)); err != nil {
			b.Fatal(err)
		}
	}
}
