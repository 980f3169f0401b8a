package objectstorage

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

var (
	// ErrInvalidKey refuses a key that not every backend could hold.
	ErrInvalidKey = errors.New("invalid object key")
	// ErrNoBucket is not ErrNotFound: of the objects of a bucket that cannot be found nothing is known.
	ErrNoBucket = errors.New("no such bucket")
	// ErrClosed answers every call after Close.
	ErrClosed = errors.New("the object store is closed")
)

const (
	// MaxKeyBytes is S3's bound.
	MaxKeyBytes = 1024
	// MaxKeyPartBytes is the bound of a file name, so that a bucket can be copied into a folder.
	MaxKeyPartBytes = 255
	// ReservedPart is the folder in which the filesystem backend keeps its own files.
	ReservedPart = ".inkwell"
)

// CheckKey accepts the keys that all backends hold alike: parts between single slashes, none of them empty, "." or
// "..", so that no key leaves the root of a folder; text without control characters, because S3 lists are XML.
func CheckKey(key string) error {
	switch {
	case key == "":
		return fmt.Errorf("%w: it is empty", ErrInvalidKey)
	case len(key) > MaxKeyBytes:
		return fmt.Errorf("%w: %d bytes, at most %d", ErrInvalidKey, len(key), MaxKeyBytes)
	case !utf8.ValidString(key):
		return fmt.Errorf("%w %q: not UTF-8", ErrInvalidKey, key)
	case strings.ContainsFunc(key, notInXML):
		return fmt.Errorf("%w %q: it has a control character", ErrInvalidKey, key)
	}
	first := true
	for part := range strings.SplitSeq(key, "/") {
		switch {
		case part == "":
			return fmt.Errorf("%w %q: it has an empty part", ErrInvalidKey, key)
		case part == "." || part == "..":
			return fmt.Errorf("%w %q: it has the part %q", ErrInvalidKey, key, part)
		case len(part) > MaxKeyPartBytes:
			return fmt.Errorf("%w %q: a part has %d bytes, at most %d", ErrInvalidKey, key, len(part), MaxKeyPartBytes)
		case first && part == ReservedPart:
			return fmt.Errorf("%w %q: %q is reserved", ErrInvalidKey, key, ReservedPart)
		}
		first = false
	}
	return nil
}

// notInXML is true for what an XML 1.0 document cannot hold or would change.
func notInXML(r rune) bool {
	return unicode.IsControl(r) || r == 0xFFFE || r == 0xFFFF || r == utf8.RuneError
}

// BodyBytes is the length of the object that body makes.
func BodyBytes(body [][]byte) int64 {
	var n int64
	for _, b := range body {
		n += int64(len(b))
	}
	return n
}
