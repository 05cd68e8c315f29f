package blocklist

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"tunic/gateway/config"
	"tunic/gateway/durable"
)

const (
	maxSize      = 16 << 20 // bytes of one list
	maxRedirects = 5
	fetchTime    = 5 * time.Minute // of one list, through Tor
)

var errTooLong = fmt.Errorf("it is longer than %d MiB", maxSize>>20)

// renew puts a new copy of a list in the place of the last good one, which stays if
// there is an error. The error is in words for people.
func (k *Keeper) renew(ctx context.Context, source, path string) error {
	ctx, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	in, err := k.open(ctx, source)
	if err != nil {
		return reason(err)
	}
	defer in.Close()
	out, err := os.CreateTemp(filepath.Dir(path), ".new-") // mode 0600
	if err != nil {
		return errors.New("its copy could not be written")
	}
	defer os.Remove(out.Name())
	defer out.Close()
	n, err := io.Copy(out, io.LimitReader(in, maxSize+1))
	switch {
	case err != nil:
		return reason(err)
	case n > maxSize:
		return errTooLong
	}
	if _, err := out.Seek(0, io.SeekStart); err != nil {
		return errors.New("its copy could not be read")
	}
	c, err := Parse(out, func(string, bool) {})
	switch {
	case err != nil:
		return errors.New("its copy could not be read")
	case c.Names+c.Exceptions == 0:
		return errors.New("it has no names in a form that is known")
	}
	if errors.Join(out.Sync(), durable.Rename(out.Name(), path)) != nil {
		return errors.New("its copy could not be written")
	}
	return nil
}

// open begins to read a list where it comes from.
func (k *Keeper) open(ctx context.Context, source string) (io.ReadCloser, error) {
	if strings.HasPrefix(source, "/") {
		return openFile(source)
	}
	u, err := url.Parse(source)
	if err != nil {
		return nil, err
	}
	way := k.transport()
	for range maxRedirects + 1 {
		resp, err := ask(ctx, way, u)
		if err != nil {
			return nil, err
		}
		if resp.StatusCode == http.StatusOK {
			return resp.Body, nil
		}
		resp.Body.Close()
		to := resp.Header.Get("Location")
		if resp.StatusCode < 300 || resp.StatusCode > 399 || to == "" {
			return nil, refusal(fmt.Sprintf("the server answers %d", resp.StatusCode))
		}
		if u, err = u.Parse(to); err != nil {
			return nil, refusal("it leads to a place that is none")
		}
	}
	return nil, refusal("it leads to another place too often")
}

// ask asks for one URL. Only what is asked for by hand can be held to the rules: a
// client of the standard library has ways of its own.
func ask(ctx context.Context, way http.RoundTripper, u *url.URL) (*http.Response, error) {
	if why := config.RefuseListURL(u); why != "" {
		return nil, refusal(why)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "Mozilla/5.0") // it says nothing; some servers refuse who sends none
	return way.RoundTrip(req)
}

// transport has Tor as its only way, on circuits that nothing else uses.
func (k *Keeper) transport() *http.Transport {
	isolation := rand.Text()
	return &http.Transport{
		DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) {
			host, port, err := net.SplitHostPort(addr)
			if err != nil {
				return nil, err
			}
			n, err := strconv.ParseUint(port, 10, 16)
			if err != nil {
				return nil, err
			}
			return k.Dial(ctx, isolation, host, uint16(n))
		},
		TLSClientConfig:        &tls.Config{RootCAs: k.Roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    time.Minute,
		DisableKeepAlives:      true,
		DisableCompression:     true, // what is counted is what is read
		MaxResponseHeaderBytes: 64 << 10,
	}
}

// refusal is an error that is in words already.
type refusal string

func (r refusal) Error() string { return string(r) }

// openFile opens a regular file: another kind could have it wait for ever.
func openFile(path string) (io.ReadCloser, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		f.Close()
		return nil, refusal("it is no file")
	}
	return f, nil
}

// reason says in words what went wrong.
func reason(err error) error {
	_, certificate := errors.AsType[*tls.CertificateVerificationError](err)
	_, plain := errors.AsType[tls.RecordHeaderError](err)
	switch {
	case certificate:
		return errors.New("its server's certificate is not valid")
	case plain:
		return errors.New("its server speaks no TLS")
	case errors.Is(err, os.ErrNotExist):
		return errors.New("the file is not there")
	case errors.Is(err, os.ErrPermission):
		return errors.New("the user " + config.ServeUser + " may not read the file")
	case errors.Is(err, context.DeadlineExceeded):
		return errors.New("it took too long")
	}
	if r, ok := errors.AsType[refusal](err); ok {
		return r
	}
	if r, ok := errors.AsType[Unreached](err); ok {
		return r
	}
	return errors.New("the connection ended before it was here")
}

// Unreached is why Dial has reached no server, in words.
type Unreached string

func (u Unreached) Error() string { return string(u) }
