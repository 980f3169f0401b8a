package filesystem

// bodyCursor is where a write has come to in a body's slices.
type bodyCursor struct {
	body     [][]byte
	at, skip int // the next byte is body[at][skip]
}

func bodyBytes(body [][]byte) (n int64) {
	for _, b := range body {
		n += int64(len(b))
	}
	return n
}

// vector is the next bytes, at most so many slices and bytes, without moving on. It reuses to.
func (c *bodyCursor) vector(to [][]byte, slices, bytes int) ([][]byte, int) {
	to = to[:0]
	size := 0
	for i, s := c.at, c.skip; i < len(c.body) && len(to) < slices && size < bytes; i, s = i+1, 0 {
		if b := c.body[i][s:]; len(b) > 0 {
			b = b[:min(len(b), bytes-size)]
			to = append(to, b)
			size += len(b)
		}
	}
	return to, size
}

// skipBytes moves on.
func (c *bodyCursor) skipBytes(n int) {
	for c.skip += n; c.at < len(c.body) && c.skip >= len(c.body[c.at]); c.at++ {
		c.skip -= len(c.body[c.at])
	}
}

// copyTo fills dst, which is at most as long as what is left, and moves on.
func (c *bodyCursor) copyTo(dst []byte) {
	for len(dst) > 0 {
		n := copy(dst, c.body[c.at][c.skip:])
		dst = dst[n:]
		c.skipBytes(n)
	}
}
