package gopher

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
)

// kind is the type character of a menu line: RFC 1436 section 3.8, and below
// the blank line what has become common since.
type kind byte

const (
	kindText   kind = '0'
	kindMenu   kind = '1'
	kindError  kind = '3'
	kindSearch kind = '7'
	kindBinary kind = '9'
	kindGIF    kind = 'g'
	kindImage  kind = 'I'

	kindHTML  kind = 'h'
	kindInfo  kind = 'i'
	kindPDF   kind = 'd'
	kindSound kind = 's'
)

// kinds says what an extension means, where that is certain. Archives,
// programs and films are binary for want of a type of their own.
var kinds = byExtension(map[kind]string{
	kindText: "txt text md markdown rst org tex log conf cfg ini csv tsv json xml yaml yml toml diff patch asc nfo " +
		"c h cc cpp go rs py rb pl lua sh js css java sql",
	kindBinary: "zip gz tgz bz2 xz zst 7z rar tar deb rpm ipk iso img bin exe apk jar so epub odt ods odp doc docx xls xlsx ppt pptx " +
		"mp4 m4v mkv webm avi mov mpg mpeg sqlite db",
	kindGIF:   "gif",
	kindImage: "jpg jpeg png webp bmp tif tiff svg ico avif heic xbm xpm ppm pgm pbm",
	kindHTML:  "html htm xhtml",
	kindPDF:   "pdf",
	kindSound: "wav mp3 ogg oga opus flac m4a aac aiff au mid midi",
})

func byExtension(lists map[kind]string) map[string]kind {
	m := make(map[string]kind)
	for k, list := range lists {
		for ext := range strings.FieldsSeq(list) {
			m[ext] = k
		}
	}
	return m
}

// kindOf says how to announce and send a file. If its name leaves that open,
// its beginning decides; f is at its beginning before and after.
func kindOf(name string, f *os.File) (kind, error) {
	if k, ok := kindByName(name); ok {
		return k, nil
	}
	var head [512]byte
	n, err := io.ReadFull(f, head[:])
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return 0, fmt.Errorf("reading the beginning of a file: %w", err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return 0, fmt.Errorf("going back to the beginning of a file: %w", err)
	}
	if isText(head[:n]) {
		return kindText, nil
	}
	return kindBinary, nil
}

func kindByName(name string) (kind, bool) {
	k, ok := kinds[strings.ToLower(strings.TrimPrefix(path.Ext(name), "."))]
	return k, ok
}

// isText takes any character set: only control characters that no text has
// speak against it.
func isText(head []byte) bool {
	return bytes.IndexFunc(head, func(r rune) bool {
		return (r < ' ' && !strings.ContainsRune("\t\n\r\f\b\x1b", r)) || r == 0x7f
	}) < 0
}
