// Command tidemill-doctor is "tidemill doctor host" and nothing else, for the
// pod that stands on every node. The one binary links the scheduler's own code,
// which a node's agent never runs and would carry two thousand times; what that
// costs is measured in docs/decisions/0008-a-second-binary-for-the-node.md.
//
//	tidemill-doctor [doctor host] --root /host --every 1m --publish
//
// It takes the flags of "tidemill doctor host", and its two words too, so that
// the same pod works with either binary.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/pflag"
	// The image has no file of authorities, and the registry is asked over TLS.
	_ "golang.org/x/crypto/x509roots/fallback"
	"k8s.io/client-go/rest"

	"github.com/tidemill/tidemill/doctor"
	"github.com/tidemill/tidemill/doctor/agent"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/plain"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the command without the process around it: it returns the exit code of
// "tidemill doctor host".
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var o agent.Options
	flags := pflag.NewFlagSet("tidemill-doctor", pflag.ContinueOnError)
	flags.SetOutput(stderr)
	o.Register(flags)
	output := flags.StringP("output", "o", "text", strings.Join(doctor.Formats(), ", "))
	format := flags.String("log-format", "text", "text or json")
	switch err := flags.Parse(withoutWords(args)); {
	case errors.Is(err, pflag.ErrHelp):
		return doctor.ExitOK
	case err != nil:
		return refuse(stderr, err)
	}
	if err := o.Check(); err != nil {
		return refuse(stderr, err)
	}
	if !slices.Contains(doctor.Formats(), *output) || flags.NArg() > 0 {
		return refuse(stderr, fmt.Errorf("output %q or argument %q is not understood", *output, flags.Args()))
	}
	if o.Every > 0 {
		return resident(ctx, &o, *output, logger(stderr, *format), stderr)
	}
	return once(ctx, &o, *output, stdout, stderr)
}

// withoutWords drops "doctor host" from the front.
func withoutWords(args []string) []string {
	for _, word := range []string{"doctor", "host"} {
		if len(args) > 0 && args[0] == word {
			args = args[1:]
		}
	}
	return args
}

func refuse(stderr io.Writer, err error) int {
	fmt.Fprintf(stderr, "error: %s\nhint: tidemill-doctor --help lists the flags\n", plain.Line(err.Error()))
	return doctor.ExitCannotLook
}

func logger(w io.Writer, format string) *slog.Logger {
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, nil))
	}
	return slog.New(slog.NewTextHandler(plain.NewWriter(w), nil))
}

func resident(ctx context.Context, o *agent.Options, format string, log *slog.Logger, stderr io.Writer) int {
	way := func() (*rest.Config, error) { return kube.Config(kube.ConfigOptions{UserAgent: "tidemill-doctor"}) }
	if err := o.Resident(ctx, way, format, log); err != nil {
		return refuse(stderr, err)
	}
	return doctor.ExitOK
}

// once is one examination, for a visit. Archives are made by tidemill itself.
func once(ctx context.Context, o *agent.Options, format string, stdout, stderr io.Writer) int {
	r, err := o.Examine(ctx)
	if err != nil {
		fmt.Fprintf(stderr, "warning: %s\n", plain.Line(err.Error())) // the report is whole without it
	}
	if r.Err != "" {
		return refuse(stderr, errors.New(r.Err))
	}
	if err := o.Print(stdout, r, format); err != nil {
		return refuse(stderr, err)
	}
	return r.ExitCode(doctor.Fail)
}
