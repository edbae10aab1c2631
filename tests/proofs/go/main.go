// Checks the golden proofs with the libraries of others: golang.org/x/mod (the Go checksum database's own) and
// github.com/transparency-dev/merkle. Usage: go run . ../golden
package main

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

var folder string

func must[T any](value T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, "REFUSED:", err)
		os.Exit(1)
	}
	return value
}

func read(name string) string {
	return string(must(os.ReadFile(filepath.Join(folder, name))))
}

func hashes(lines []string) (found [][]byte) {
	for _, line := range lines {
		found = append(found, must(base64.StdEncoding.DecodeString(line)))
	}
	return found
}

func checkpoint(text string, verifier note.Verifier) (uint64, []byte) {
	opened := must(note.Open([]byte(text), note.VerifierList(verifier)))
	lines := strings.Split(opened.Text, "\n")
	if lines[0] != verifier.Name() {
		must(0, fmt.Errorf("origin %q", lines[0]))
	}
	return must(strconv.ParseUint(lines[1], 10, 64)), hashes(lines[2:3])[0]
}

func included(entry string, index, size uint64, path [][]byte, root []byte) error {
	leaf := tlog.RecordHash([]byte(entry))
	var hash tlog.Hash
	var record tlog.RecordProof
	copy(hash[:], root)
	for _, one := range path {
		record = append(record, tlog.Hash(one))
	}
	if err := tlog.CheckRecord(record, int64(size), hash, int64(index), leaf); err != nil {
		return err
	}
	return proof.VerifyInclusion(rfc6962.DefaultHasher, index, size, leaf[:], path, root)
}

func main() {
	folder = os.Args[1]
	verifier := must(note.NewVerifier(strings.TrimSpace(read("key"))))
	text := read("heads.tlog-proof")
	head, note, _ := strings.Cut(text, "\n\n")
	lines := strings.Split(head, "\n")
	index := must(strconv.ParseUint(strings.TrimPrefix(lines[1], "index "), 10, 64))
	path := hashes(lines[2:])
	size, root := checkpoint(note, verifier)
	if lines[0] != "c2sp.org/tlog-proof@v1" || !bytes.Equal([]byte(note), []byte(read("second.checkpoint"))) {
		must(0, fmt.Errorf("not the proof that it should be"))
	}
	must(0, included(read("heads.entry"), index, size, path, root))
	if included(read("heads.entry")+"x", index, size, path, root) == nil {
		must(0, fmt.Errorf("a changed entry is accepted"))
	}
	old, before := checkpoint(read("first.checkpoint"), verifier)
	steps := hashes(strings.Fields(read("consistency")))
	must(0, proof.VerifyConsistency(rfc6962.DefaultHasher, old, size, steps, before, root))
	if proof.VerifyConsistency(rfc6962.DefaultHasher, old, size, steps, root, root) == nil {
		must(0, fmt.Errorf("another beginning is accepted"))
	}
	fmt.Printf("accepted: two checkpoints, entry %d of %d, consistency of %d and %d\n", index, size, old, size)
}
