package externalgrpc

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/cloudprovider/fake"
)

// A conversation is what one generation of cluster-autoscaler says to the plugin,
// and what it hears, as bytes:
//
//	# words for people
//	! look                       the plugin's own clock
//	! capacity ZONE-1 0          the cloud has no more machines there
//	> NodeGroupTargetSize 1:"a"  a call: the fields of its message by number
//	< OK 1:2                     its answer, likewise; or a code and its words
//
// A value is a number, a number with a point (a double), text, or fields in
// braces. An answer's inner messages are shown as text, for nothing on the wire
// says that they are messages: what is compared are the bytes.
func TestConversations(t *testing.T) {
	files, err := filepath.Glob("testdata/conversations/*.txt")
	if err != nil || len(files) < 6 {
		t.Fatalf("%d conversations, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := replay(t, string(want))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				want = []byte(got)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if strings.Count(got, "\n< ") < 20 || strings.Contains(got, "broke") {
				t.Error("the conversation is short, or something broke in it")
			}
		})
	}
}

// replay says again what the client said, and writes down what it hears.
func replay(t *testing.T, text string) string {
	t.Helper()
	cloud := fake.New(fake.Options{})
	a := cloud.AddPool(fake.Pool{ID: "pool-a", Name: "workers", Shape: "E4", Size: 2, Price: 0.2, Template: machine("4", "32Gi", "0"),
		Tags: map[string]string{optionTag + "scaledownunneededtime": "3m"}})
	b := cloud.AddPool(fake.Pool{ID: "pool-b", Name: "spare", Shape: "E5", Template: machine("8", "64Gi", "0")})
	s := serve(t, cloud, Options{GPULabel: "gpu", Selection: Selection{Nodes: map[cloudprovider.PoolID]Bounds{a: {1, 5}, b: {0, 3}}}})
	var out strings.Builder
	for line := range strings.Lines(text) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch word {
		case "<":
			continue // it is heard anew
		case "!":
			order(t, s, strings.Fields(rest))
		}
		out.WriteString(line)
		if word == ">" {
			method, message, _ := strings.Cut(rest, " ")
			request, left := encode(t, message)
			if left != "" {
				t.Fatalf("%q is left of %q", left, line)
			}
			fmt.Fprintln(&out, "<", heard(s.raw(method, request)))
		}
	}
	return out.String()
}

func order(t *testing.T, s *served, words []string) {
	t.Helper()
	switch {
	case len(words) == 1 && words[0] == "look":
		s.look()
	case len(words) == 3 && words[0] == "capacity":
		n, err := strconv.Atoi(words[2])
		if err != nil {
			t.Fatal(err)
		}
		s.cloud.SetCapacity(cloudprovider.Zone(words[1]), n)
	default:
		t.Fatalf("no order %q", words)
	}
}

// heard is an answer in words.
func heard(answer []byte, err error) string {
	if err != nil {
		return strconv.Quote(status.Code(err).String() + ": " + status.Convert(err).Message())
	}
	words := []string{"OK"}
	for len(answer) > 0 {
		n, kind, size := protowire.ConsumeTag(answer)
		answer = answer[max(size, 0):]
		size = protowire.ConsumeFieldValue(n, kind, answer)
		if size < 0 {
			return "an answer that is no message"
		}
		switch kind {
		case protowire.VarintType:
			v, _ := protowire.ConsumeVarint(answer)
			words = append(words, fmt.Sprintf("%d:%d", n, int64(v)))
		case protowire.Fixed64Type:
			v, _ := protowire.ConsumeFixed64(answer)
			words = append(words, fmt.Sprintf("%d:%s", n, point(math.Float64frombits(v))))
		default:
			v, _ := protowire.ConsumeBytes(answer)
			words = append(words, fmt.Sprintf("%d:%q", n, v))
		}
		answer = answer[size:]
	}
	return strings.Join(words, " ")
}

// point is a double, which must have a point to be told from a whole number.
func point(f float64) string {
	text := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return text
}

// encode makes a message of fields, up to a closing brace, and gives what is left.
func encode(t testing.TB, text string) (message []byte, left string) {
	t.Helper()
	for {
		text = strings.TrimLeft(text, " ")
		if text == "" || text[0] == '}' {
			return message, strings.TrimPrefix(text, "}")
		}
		number, rest, ok := strings.Cut(text, ":")
		n, err := strconv.Atoi(number)
		if !ok || err != nil || rest == "" {
			t.Fatalf("no field at %q", text)
		}
		var value any
		value, text = encodeValue(t, rest)
		message = append(message, field(protowire.Number(n), value)...)
	}
}

func encodeValue(t testing.TB, text string) (value any, left string) {
	t.Helper()
	switch text[0] {
	case '{':
		return encodeAny(encode(t, text[1:]))
	case '"':
		quoted, err := strconv.QuotedPrefix(text)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		value, err := strconv.Unquote(quoted)
		if err != nil {
			t.Fatalf("%q: %v", quoted, err)
		}
		return value, text[len(quoted):]
	}
	end := strings.IndexAny(text+" ", " }")
	word := text[:end]
	if strings.Contains(word, ".") {
		f, err := strconv.ParseFloat(word, 64)
		if err != nil {
			t.Fatalf("%q: %v", word, err)
		}
		return math.Float64bits(f), text[end:]
	}
	n, err := strconv.Atoi(word)
	if err != nil {
		t.Fatalf("%q: %v", word, err)
	}
	return n, text[end:]
}

func encodeAny(message []byte, left string) (any, string) { return message, left }

// utterance is one call of a conversation.
type utterance struct {
	method  string
	request []byte
}

// said is every call of every conversation.
func said(t testing.TB) (all []utterance) {
	t.Helper()
	files, err := filepath.Glob("testdata/conversations/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if call, ok := strings.CutPrefix(strings.TrimSpace(line), "> "); ok {
				method, message, _ := strings.Cut(call, " ")
				request, _ := encode(t, message)
				all = append(all, utterance{method, request})
			}
		}
	}
	return all
}
