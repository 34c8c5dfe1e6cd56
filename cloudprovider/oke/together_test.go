package oke

import (
	"context"
	"testing"
	"testing/synctest"

	"golang.org/x/sync/singleflight"
)

// Two ask the same at once, and whoever was first gives up: the other one has its
// answer all the same.
func TestTogetherOutlivesTheFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var flights singleflight.Group
		first, giveUp := context.WithCancel(t.Context())
		asked := 0
		go func() {
			_, err := together(first, &flights, "image", func() (string, error) {
				asked++
				<-first.Done()
				return "", first.Err()
			})
			if err == nil {
				t.Error("who gave up has an answer")
			}
		}()
		synctest.Wait()
		answers := make(chan string)
		go func() {
			name, err := together(t.Context(), &flights, "image", func() (string, error) { asked++; return "Oracle-Linux", nil })
			if err != nil {
				t.Error(err)
			}
			answers <- name
		}()
		synctest.Wait()
		if asked != 1 {
			t.Errorf("asked %d times for the same", asked)
		}
		giveUp()
		if name := <-answers; name != "Oracle-Linux" || asked != 2 {
			t.Errorf("%q after %d questions", name, asked)
		}
	})
}
