package objectstorage_test

import (
	"bytes"
	"testing"
	"testing/synctest"

	"github.com/inkwell-project/inkwell/objectstorage"
	"github.com/inkwell-project/inkwell/objectstorage/faulty"
)

// upload is the story of an object of three parts.
func upload(t *testing.T, b objectstorage.Bucket, key string) (want []byte, err error) {
	t.Helper()
	u, err := b.StartUpload(t.Context(), key, 1000)
	if err != nil {
		return nil, err
	}
	for n, size := range []int{1000, 1000, 7} {
		part := bytes.Repeat([]byte{byte(n + 1)}, size)
		want = append(want, part...)
		if err := u.PutPart(t.Context(), n, [][]byte{part[:3], part[3:]}); err != nil {
			return nil, err
		}
	}
	return want, u.Complete(t.Context(), 3)
}

// Each request of an upload fails once, before or after it was done; the object is there, with its bytes, all the same.
func TestUploadThroughFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, lost := range []bool{false, true} {
			for n := 1; ; n++ {
				s := newStore(t, objectstorage.RetryConfig{})
				if lost {
					s.faulty.LoseNth(n, nil)
				} else {
					s.faulty.FailNth(n, nil)
				}
				want, err := upload(t, s, "k")
				if err != nil {
					t.Fatal(n, lost, err)
				}
				got := make([]byte, len(want))
				if err := s.memory.GetRange(t.Context(), "k", 0, got); err != nil || !bytes.Equal(got, want) {
					t.Fatal(n, lost, err)
				}
				if s.faulty.Failed() == 0 {
					break
				}
			}
		}
	})
}

// A completion whose answer is lost, after which the key holds other bytes, is refused and not taken for one's own.
func TestLostCompletionIsSettledByTheBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t, objectstorage.RetryConfig{})
		if err := s.memory.PutIfAbsent(t.Context(), "k", [][]byte{make([]byte, 2007)}); err != nil {
			t.Fatal(err)
		}
		s.faulty.Inject(faulty.Rule{Op: faulty.Put, Nth: 5, Fault: faulty.Fault{Lost: true}}) // start, three parts, complete
		_, err := upload(t, s, "k")
		wantIs(t, err, objectstorage.ErrExists)
	})
}

// An upload that somebody threw away is not completed and not asked about for ever.
func TestCompletingWhatIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, lost := range []bool{false, true} {
			s := newStore(t, objectstorage.RetryConfig{})
			u, err := s.StartUpload(t.Context(), "k", 10)
			if err != nil {
				t.Fatal(err)
			}
			if err := u.PutPart(t.Context(), 0, [][]byte{{1}}); err != nil {
				t.Fatal(err)
			}
			if n, err := s.AbortUploads(t.Context(), "k"); n != 1 || err != nil {
				t.Fatal(n, err)
			}
			if lost {
				s.faulty.FailNth(1, nil) // the first completion has no known outcome
			}
			wantIs(t, u.Complete(t.Context(), 1), objectstorage.ErrUpload)
		}
	})
}
