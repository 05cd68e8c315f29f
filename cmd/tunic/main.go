// Command tunic puts a household behind Tor: the daemon, its child, and the
// command line that speaks to it.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"tunic/gateway/sample"
)

func main() {
	sample.Rest()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := execute(ctx, &app{in: os.Stdin, out: os.Stdout, err: os.Stderr, env: os.Getenv, uid: os.Geteuid()}, os.Args[1:])
	stop()
	os.Exit(code)
}
