package main

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// rootfs is a root file system in the making: a tar archive that is written as things are added.
type rootfs struct {
	w    *tar.Writer
	seen map[string]bool
}

func newRootfs(w io.Writer) *rootfs { return &rootfs{w: tar.NewWriter(w), seen: map[string]bool{}} }

// owner of a file; the zero value is root.
type owner struct{ uid, gid int }

func (r *rootfs) dir(name string, mode int64, o owner) error {
	if r.seen[name] {
		return nil
	}
	r.seen[name] = true
	return r.w.WriteHeader(&tar.Header{Name: name + "/", Typeflag: tar.TypeDir, Mode: mode, Uid: o.uid, Gid: o.gid})
}

// parents makes the directories that name is in, but those that are links.
func (r *rootfs) parents(name string) error {
	for i, c := range name {
		if c != '/' || r.seen[name[:i]] {
			continue
		}
		if err := r.dir(name[:i], 0o755, owner{}); err != nil {
			return err
		}
	}
	return nil
}

func (r *rootfs) link(name, target string) error {
	if r.seen[name] {
		return nil
	}
	if err := r.parents(name); err != nil {
		return err
	}
	r.seen[name] = true
	return r.w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeSymlink, Linkname: target, Mode: 0o777})
}

func (r *rootfs) text(name, text string) error {
	if r.seen[name] {
		return nil
	}
	if err := r.parents(name); err != nil {
		return err
	}
	r.seen[name] = true
	if err := r.w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(text))}); err != nil {
		return err
	}
	_, err := io.WriteString(r.w, text)
	return err
}

// file copies a file of this machine, following links.
func (r *rootfs) file(name, from string, mode int64) error {
	if r.seen[name] {
		return nil
	}
	if err := r.parents(name); err != nil {
		return err
	}
	r.seen[name] = true
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	fi, err := in.Stat()
	if err != nil {
		return err
	}
	if err := r.w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: mode, Size: fi.Size()}); err != nil {
		return err
	}
	_, err = io.Copy(r.w, in)
	return err
}

// skeleton is what every image has but pause's: directories, links, accounts.
func (r *rootfs) skeleton() error {
	for _, d := range []string{"bin", "dev", "etc", "home", "proc", "root", "run", "sys", "usr", "usr/local", "usr/local/bin", "var"} {
		if err := r.dir(d, 0o755, owner{}); err != nil {
			return err
		}
	}
	links := [][2]string{{"sbin", "bin"}, {"usr/bin", "../bin"}, {"usr/sbin", "../bin"}}
	for _, l := range links {
		if err := r.link(l[0], l[1]); err != nil {
			return err
		}
	}
	return errors.Join(
		r.dir("tmp", 0o1777, owner{}),
		r.dir("var/tmp", 0o1777, owner{}),
		r.text("etc/passwd", passwd), r.text("etc/group", group),
		r.text("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"),
	)
}

const (
	passwd = "root:x:0:0:root:/root:/bin/sh\n" +
		"user-defined-in-image:x:1000:1000::/home/user-defined-in-image:/bin/sh\n" +
		"nobody:x:65534:65534:nobody:/:/bin/false\n"
	group = "root:x:0:\n" +
		"user-defined-in-image:x:1000:\n" +
		"group-defined-in-image:x:50000:user-defined-in-image\n" +
		"nogroup:x:65534:\n"
)

// programs copies programs of this machine into /bin, with the libraries that they are linked with.
func (r *rootfs) programs(ctx context.Context, names ...string) error {
	for _, name := range names {
		path, err := exec.LookPath(name)
		if err != nil {
			return fmt.Errorf("an image of the suite needs %s: %w", name, err)
		}
		if err := r.file("bin/"+name, path, 0o755); err != nil {
			return err
		}
		libs, err := libraries(ctx, path)
		if err != nil {
			return err
		}
		for _, lib := range libs {
			if err := r.file(strings.TrimPrefix(lib, "/"), lib, 0o755); err != nil {
				return err
			}
		}
	}
	return nil
}

// libraries lists what the loader would load for a program, the loader included.
func libraries(ctx context.Context, program string) ([]string, error) {
	cmd := exec.CommandContext(ctx, "ldd", program)
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(kv string) bool { return strings.HasPrefix(kv, "LD_") }), "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	if strings.Contains(string(out), "not a dynamic executable") {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("ldd %s: %w: %s", program, err, out)
	}
	var libs []string
	for line := range strings.Lines(string(out)) {
		_, path, found := strings.Cut(line, "=> ")
		if !found {
			path = line
		}
		path, _, _ = strings.Cut(strings.TrimSpace(path), " (")
		if path == "not found" {
			return nil, fmt.Errorf("ldd %s: %s", program, strings.TrimSpace(line))
		}
		if filepath.IsAbs(path) {
			libs = append(libs, path)
		}
	}
	return libs, nil
}

// shell is /bin/sh and what scripts of the suite call.
func (r *rootfs) shell(ctx context.Context) error {
	if err := r.skeleton(); err != nil {
		return err
	}
	if err := r.programs(ctx, shellPrograms...); err != nil {
		return err
	}
	for _, name := range maybePrograms {
		if err := r.programs(ctx, name); err != nil && !errors.Is(err, exec.ErrNotFound) {
			return err
		}
	}
	return r.link("bin/sh", "bash")
}

var shellPrograms = []string{
	"bash", "basename", "cat", "chgrp", "chmod", "chown", "cp", "cut", "date", "dd", "df", "dirname", "du", "echo", "env",
	"expr", "false", "head", "id", "kill", "ln", "ls", "md5sum", "mkdir", "mkfifo", "mktemp", "mv", "nproc", "od", "printf",
	"pwd", "readlink", "realpath", "rm", "rmdir", "seq", "sha256sum", "sleep", "sort", "stat", "stty", "sync", "tail", "tee",
	"test", "timeout", "touch", "tr", "true", "tty", "uname", "uniq", "wc", "whoami", "yes",
	"find", "grep", "hexdump", "hostname", "mount", "sed", "sysctl", "umount", "xargs", "tar", "gzip",
}

// maybePrograms are in most images of a machine, and no spec of the family needs them.
var maybePrograms = []string{"awk", "ip", "less", "nc", "ps", "vi"}

// certificates copies the machine's CA bundle.
func (r *rootfs) certificates() error {
	const bundle = "/etc/ssl/certs/ca-certificates.crt"
	if _, err := os.Stat(bundle); errors.Is(err, fs.ErrNotExist) {
		return nil // nothing outside is asked for here
	}
	return r.file(strings.TrimPrefix(bundle, "/"), bundle, 0o644)
}
