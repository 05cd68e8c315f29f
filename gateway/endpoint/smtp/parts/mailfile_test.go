package parts

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
)

// received is a mail as another server brought it.
const received = "Return-Path: <bob@x.example>\r\nReceived: from laptop.lan\r\n by nas.lan\r\nSubject: x\r\n\r\nhello\r\n"

func file(fields, text string) string {
	return "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" + fields + "\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
		base64.StdEncoding.EncodeToString([]byte(text)) + "\r\n--b--\r\n"
}

// A mail that is attached as a file is refused, by its name and by how it begins.
func TestMailsAsFiles(t *testing.T) {
	wide := func(text string) string { return "\xff\xfe" + strings.Join(strings.Split(text, ""), "\x00") + "\x00" }
	for name, text := range map[string]string{
		"eml":              file("Content-Type: application/octet-stream; name=x.eml", "nothing"),
		"eml, disposition": file("Content-Type: text/plain\r\nContent-Disposition: attachment; filename=\"a b.EML\"", "nothing"),
		"eml, in pieces":   file("Content-Type: application/octet-stream;\r\n name*0=\"x.e\"; name*1=ml", "nothing"),
		"eml, encoded":     file("Content-Type: application/octet-stream; name=\"=?utf-8?b?eC5lbWw=?=\"", "nothing"),
		"eml, unquoted":    file("Content-Type: application/octet-stream\r\nContent-Disposition: attachment; filename=a b.eml", "nothing"),
		"eml, another dot": file("Content-Type: application/octet-stream; name=\"x.eml. \"", "nothing"),
		"outlook":          file("Content-Type: application/octet-stream; name=Re.msg", "nothing"),
		"winmail":          file("Content-Type: application/octet-stream; name=winmail.dat", "nothing"),
		"saved page":       file("Content-Type: application/octet-stream; name=page.mhtml", "nothing"),
		"by kind":          file("Content-Type: application/mbox", "nothing"),
		"report": "Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\nContent-Type: message/disposition-notification\r\n" +
			"\r\nReporting-UA: laptop.lan; Mail 1\r\n\r\n--b--\r\n",
		"news":              "Content-Type: message/news\r\n\r\nX: y\r\n\r\n",
		"by beginning":      file("Content-Type: application/octet-stream", received),
		"without a field":   file("Content-Disposition: attachment", received),
		"as text with name": file("Content-Type: text/plain; name=notes.txt", received),
		"of a mailbox":      file("Content-Type: application/octet-stream", "From bob@x.example Sat Nov 28 20:00:00 2026\n"+received),
		"of Apple":          file("Content-Type: application/octet-stream", "1234      \n"+received),
		"of 16 bits":        file("Content-Type: application/octet-stream", wide(received)),
		"after a mark":      file("Content-Type: application/octet-stream", "\ufeff\r\n"+received),
		"header alone":      file("Content-Type: application/octet-stream", "Subject: x\nMessage-ID: <1@laptop.lan>"),
		"parts":             file("Content-Type: application/x-y", "Subject: x\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n"),
		"encoding":          file("Content-Type: application/x-y", "Subject: x\r\nContent-Transfer-Encoding: BASE64\r\n\r\n"),
		"not in base64":     "Content-Type: application/octet-stream\r\n\r\n" + received,
		"field of Exim's":   file("Content-Type: application/octet-stream", "Received: from laptop.lan\r\nX-Spam_score: 1.0\r\n\r\n"),
		"long name": file("Content-Type: application/octet-stream",
			"Received: from laptop.lan\r\nX-MS-Exchange-CrossTenant-OriginalAttributedTenantConnectingIp: TenantId=x\r\n\r\n"),
		"long header": file("Content-Type: application/octet-stream",
			"Received: x\r\nX: "+strings.Repeat("y", maxBeginning-20)+"\r\nX-Long: z\r\n\r\n"),
		"named at the top": "Content-Type: application/octet-stream; name=x.eml\r\n\r\nnothing\r\n",
	} {
		if left, err := rewrite(text); !errors.As(err, new(*Error)) {
			t.Errorf("%s: %v, left as %q", name, err, left)
		}
	}
}

// What looks a little like a mail leaves as it is.
func TestFilesThatAreNoMails(t *testing.T) {
	for name, text := range map[string]string{
		"patch": file("Content-Type: text/x-patch; name=0001-x.patch",
			"From 0123456789abcdef0123456789abcdef01234567 Mon Sep 17 00:00:00 2001\nFrom: Ann <ann@x.example>\n"+
				"Date: Sat, 28 Nov 2026 20:00:00 +0100\nSubject: [PATCH] x\nMIME-Version: 1.0\nContent-Type: text/plain; charset=UTF-8\n"+
				"Content-Transfer-Encoding: 8bit\n\n---\n"),
		"notes":       file("Content-Type: text/plain; name=notes.txt", "Received: one parcel\nat noon.\n\nMessage-ID: none\n"),
		"later":       file("Content-Type: application/octet-stream", "Name: x\n\n"+received),
		"typed":       "Subject: x\r\n\r\nReceived: from laptop.lan\r\n\r\nWhat does this mean?\r\n",
		"name within": file("Content-Type: image/png; name=x.eml.png", "\x89PNG\r\n\x1a\n"),
		"empty":       file("Content-Type: application/octet-stream; name=x", ""),
	} {
		if _, err := rewrite(text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if left, err := rewrite("Content-Type: message/rfc822; name=x.eml\r\nContent-Disposition: attachment; filename=x.eml\r\n\r\n" +
		received); err != nil || strings.Contains(left, "lan") {
		t.Errorf("a mail that is attached as one: %v, %q", err, left)
	}
}

// An address that a calendar, a contact or a flowed text has in two lines is one.
func TestUnfold(t *testing.T) {
	for text, want := range map[string]string{
		"a\r\n b": "ab", "a\n\tb": "ab", "a \r\nb": "ab", "a\t\nb": "ab", "a\r\nb": "a\nb", "a b": "a b", "a  b\n\nc": "a  b\n\nc",
		"a \n b": "ab", "a\n  b": "a b", "a\n\n b": "a\nb",
	} {
		for cut := range text {
			var b bytes.Buffer
			u := &unfold{w: &b}
			u.Write([]byte(text[:cut]))
			u.Write([]byte(text[cut:]))
			if b.String() != want {
				t.Errorf("%q became %q, want %q", text, b.String(), want)
			}
		}
	}
	for _, text := range []string{
		"Content-Type: text/calendar\r\n\r\nORGANIZER;CN=Ann:mailto:ann@" + key[:20] + "\r\n " + key[20:] + ".onion\r\n",
		file("Content-Type: text/vcard", "EMAIL:ann@"+key[:9]+"\n "+key[9:40]+"\n "+key[40:]+"\n"),
		"Content-Type: text/plain; format=flowed; delsp=yes\r\n\r\nsee http://" + key[:30] + " \r\n" + key[30:] + "\r\n",
	} {
		if left, err := rewrite(text); !errors.Is(err, errText) {
			t.Errorf("%v, left as %q", err, left)
		}
	}
}
