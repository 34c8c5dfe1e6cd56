//go:build !linux

package agent

import (
	"context"
	"errors"
)

func oracleScript(context.Context, string) ([]byte, error) {
	return nil, errors.New("this is no Linux host")
}
