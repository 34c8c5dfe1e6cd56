package cloudprovider

import "errors"

// Sentinels a driver wraps; callers branch on errors.Is, never on text.
var (
	// ErrNotFound: the pool, instance or image does not exist (any more).
	ErrNotFound = errors.New("not found")
	// ErrConflict: the world is not what the caller decided on; look again.
	ErrConflict = errors.New("changed meanwhile")
	// ErrInvalid: the cloud will never accept this; a person must change it.
	ErrInvalid = errors.New("invalid")
	// ErrNoCapacity: the cloud has no machines of this kind there now.
	ErrNoCapacity = errors.New("out of host capacity")
	// ErrQuota: a limit or quota forbids it until a person raises it.
	ErrQuota = errors.New("limit or quota exceeded")
	// ErrThrottled: too many requests; nothing happened, come back later.
	ErrThrottled = errors.New("throttled")
	// ErrUnauthorized: the credentials are refused; nothing will work until
	// they are mended.
	ErrUnauthorized = errors.New("not authorized")
	// ErrNotSupported: this cloud has no such operation.
	ErrNotSupported = errors.New("not supported")
	// ErrOverruled: what the change was decided on does not hold any more; see [Still].
	ErrOverruled = errors.New("it is not so any more")
	// ErrOutOfBounds: Fleet refused before the cloud was asked.
	ErrOutOfBounds = errors.New("out of bounds")
)
