package okesim

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// A call is one decoded request.
type call struct {
	*http.Request
	body      []byte
	principal Principal
}

func (c *call) query(name string) string { return c.URL.Query().Get(name) }
func (c *call) ifMatch() string          { return c.Header.Get("if-match") }

// oneOf returns the values of a query parameter that may be repeated, all of which must be among the allowed ones.
func (c *call) oneOf(name string, allowed ...string) ([]string, error) {
	values := c.URL.Query()[name]
	for _, v := range values {
		if !slices.Contains(allowed, v) {
			return nil, errInvalid("%s %q is not one of %s", name, v, strings.Join(allowed, ", "))
		}
	}
	return values, nil
}

// flag returns a boolean query parameter; absent is false.
func (c *call) flag(name string) (bool, error) {
	text := c.query(name)
	if text == "" {
		return false, nil
	}
	v, err := strconv.ParseBool(text)
	if err != nil {
		return false, errInvalid("%s must be true or false, not %q", name, text)
	}
	return v, nil
}

// decode parses the body. A field that the emulator does not know is refused: dropping it in silence would be a lie.
func (c *call) decode(into any) error {
	d := json.NewDecoder(bytes.NewReader(c.body))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return errUnparsable(err)
	}
	if _, err := d.Token(); err != io.EOF {
		return errInvalid("the body holds more than one JSON value")
	}
	return nil
}

// sorted orders a list as the query asks: sortBy names one of the keys (first is the default), sortOrder is ASC or DESC.
func sorted[T any](c *call, items []T, names []string, keys map[string]func(a, b T) int) ([]T, error) {
	by, err := c.oneOf("sortBy", names...)
	if err != nil {
		return nil, err
	}
	order, err := c.oneOf("sortOrder", "ASC", "DESC")
	if err != nil {
		return nil, err
	}
	key := keys[names[0]]
	if len(by) > 0 {
		key = keys[by[0]]
	}
	items = slices.Clone(items)
	slices.SortStableFunc(items, key)
	if len(order) > 0 && order[0] == "DESC" {
		slices.Reverse(items)
	}
	return items, nil
}

// cursor is where a page ended. The index alone would skip an item when one before it is deleted between two pages.
type cursor struct {
	Index int    `json:"i"`
	ID    string `json:"id"` // of the last item sent
}

// page cuts the page that the query asks for and returns the token of the next one, empty at the end.
func page[T any](s *Sim, c *call, items []T, id func(T) string) ([]T, string, error) {
	limit := s.pageSize
	if text := c.query("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 1000 {
			return nil, "", errInvalid("limit must be 1 to 1000, not %q", text)
		}
		limit = min(limit, n)
	}
	start := 0
	if text := c.query("page"); text != "" {
		var from cursor
		raw, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil || json.Unmarshal(raw, &from) != nil || from.Index < 0 {
			return nil, "", errInvalid("page %q is not a token of opc-next-page", text)
		}
		start = max(0, from.Index-1) // its last item is gone, so what followed it has moved up
		if i := slices.IndexFunc(items, func(item T) bool { return id(item) == from.ID }); i >= 0 {
			start = i + 1
		}
	}
	start = min(start, len(items))
	end := min(start+limit, len(items))
	if end == len(items) {
		return items[start:], "", nil
	}
	token, err := json.Marshal(cursor{Index: end, ID: id(items[end-1])})
	return items[start:end], base64.RawURLEncoding.EncodeToString(token), err
}

// list pages and converts a list: a bare JSON array, with the next page's token in a header.
func list[T, W any](s *Sim, c *call, items []T, id func(T) string, wire func(T) W) (*answer, error) {
	items, next, err := page(s, c, items, id)
	if err != nil {
		return nil, err
	}
	body := make([]W, 0, len(items))
	for _, item := range items {
		body = append(body, wire(item))
	}
	return ok(body).with("opc-next-page", next), nil
}

func filter[T any](items []T, keep func(T) bool) []T {
	var kept []T
	for _, item := range items {
		if keep(item) {
			kept = append(kept, item)
		}
	}
	return kept
}

func ascending[T any, K cmp.Ordered](key func(T) K) func(a, b T) int {
	return func(a, b T) int { return cmp.Compare(key(a), key(b)) }
}
