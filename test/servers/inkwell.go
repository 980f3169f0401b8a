package servers

import (
	"context"
	"os/exec"
	"path/filepath"
)

// StartInkwell starts `inkwell dev` with its folders below opts.Dir.
func StartInkwell(ctx context.Context, binary string, opts Options) (*Server, error) {
	if err := opts.setDefaults(); err != nil {
		return nil, err
	}
	http, err := FreeAddress()
	if err != nil {
		return nil, err
	}
	if opts.Store == "" {
		opts.Store = "file://" + filepath.Join(opts.Dir, "objects")
	}
	args := []string{"dev", "--listen", opts.Listen, "--data", filepath.Join(opts.Dir, "data"), "--store", opts.Store, "--http", http}
	if opts.Advertised != opts.Listen {
		args = append(args, "--advertise", opts.Advertised)
	}
	args = append(args, opts.Extra...)
	s := &Server{Name: "inkwell", Listen: opts.Listen, opts: opts, http: http, run: func() *exec.Cmd { return exec.Command(binary, args...) }}
	return s, s.Start(ctx)
}

// StartInkwellRole starts one of the other roles, `inkwell metadata` or `inkwell broker`; opts.Extra are its flags but --listen and --http.
func StartInkwellRole(ctx context.Context, binary, role string, opts Options) (*Server, error) {
	if err := opts.setDefaults(); err != nil {
		return nil, err
	}
	http, err := FreeAddress()
	if err != nil {
		return nil, err
	}
	args := append([]string{role, "--listen", opts.Listen, "--http", http}, opts.Extra...)
	s := &Server{Name: "inkwell " + role, Listen: opts.Listen, opts: opts, http: http, run: func() *exec.Cmd { return exec.Command(binary, args...) }}
	return s, s.Start(ctx)
}

// HTTP is the address of inkwell's metrics and health.
func (s *Server) HTTP() string { return s.http }
