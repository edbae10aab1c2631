// Checks the golden proofs with the libraries of others: golang.org/x/mod (the Go checksum database's own) and
// github.com/transparency-dev/merkle; and that each damaged proof is refused. Usage: go run . ../golden DAMAGED
package main

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Lines that follow the first one of an entry that ends a checkpoint.
var ends = map[string]int{"career-ledger/heads.v1": 5, "career-ledger/restore.v1": 10, "career-ledger/key.v1": 7}

type refused struct{ error }

func must[T any](value T, err error) T {
	if err != nil {
		panic(refused{err})
	}
	return value
}

func demand(holds bool, why string) {
	if !holds {
		panic(refused{errors.New(why)})
	}
}

func attempt(act func()) (err error) {
	defer func() {
		if found, is := recover().(refused); is {
			err = found.error
		}
	}()
	act()
	return nil
}

func count(text string) uint64 {
	demand(text == "0" || regexp.MustCompile(`^[1-9][0-9]{0,18}$`).MatchString(text), "no number: "+text)
	return must(strconv.ParseUint(text, 10, 63))
}

func hash(text string) []byte {
	found := must(base64.StdEncoding.Strict().DecodeString(text))
	demand(len(found) == 32, "no hash: "+text)
	return found
}

func hashes(lines []string) (found [][]byte) {
	for _, line := range lines {
		found = append(found, hash(line))
	}
	return found
}

type lines struct{ rest []string }

func (l *lines) next() string {
	demand(len(l.rest) > 0, "the file ends too early")
	found := l.rest[0]
	l.rest = l.rest[1:]
	return found
}

func (l *lines) value(name string) string {
	found, is := strings.CutPrefix(l.next(), name+" ")
	demand(is, name+" is missing")
	return found
}

func (l *lines) path() (uint64, [][]byte) {
	index := count(l.value("index"))
	end := slices.Index(l.rest, "")
	demand(end >= 0, "a path has no end")
	found := hashes(l.rest[:end])
	l.rest = l.rest[end+1:]
	return index, found
}

// The entry that ends a checkpoint.
func (l *lines) end() string {
	first := l.next()
	more, is := ends[first]
	demand(is, "no entry that ends a checkpoint: "+first)
	found := first + "\n"
	for range more {
		found += l.next() + "\n"
	}
	return found
}

// Of a note that all of these have signed.
func checkpoint(text string, verifiers ...note.Verifier) (uint64, []byte) {
	opened := must(note.Open([]byte(text), note.VerifierList(verifiers...)))
	demand(len(opened.Sigs) == len(verifiers), "a signature is missing")
	said := strings.Split(opened.Text, "\n")
	demand(len(said) >= 4 && said[0] == verifiers[0].Name(), "no checkpoint of this log")
	return count(said[1]), hash(said[2])
}

func included(leaf []byte, index, size uint64, path [][]byte, root []byte) error {
	var record tlog.RecordProof
	for _, one := range path {
		record = append(record, tlog.Hash(one))
	}
	if err := tlog.CheckRecord(record, int64(size), tlog.Hash(root), int64(index), tlog.Hash(leaf)); err != nil {
		return err
	}
	return proof.VerifyInclusion(rfc6962.DefaultHasher, index, size, leaf, path, root)
}

func leaf(entry string) []byte {
	found := tlog.RecordHash([]byte(entry))
	return found[:]
}

// The entry that ends a checkpoint, in its tlog-proof: size and root of that checkpoint.
func ended(entry string, l *lines, verifiers ...note.Verifier) (uint64, []byte) {
	demand(l.next() == "c2sp.org/tlog-proof@v1", "no tlog-proof")
	index, path := l.path()
	size, root := checkpoint(strings.Join(l.rest, "\n"), verifiers...)
	demand(index == size-1, "not the last entry")
	must(0, included(leaf(entry), index, size, path, root))
	return size, root
}

func stream(student string) string {
	space := must(hex.DecodeString("5b0ac2a46a0d5a4f9a3e3d1b8f8a7c10"))
	sum := sha1.Sum(append(space, student...))
	found := sum[:16]
	found[6], found[8] = found[6]&0x0f|0x50, found[8]&0x3f|0x80
	return hex.EncodeToString(found)
}

// A student's proof, all of it: how many events it shows.
func student(text string, verifier note.Verifier) int {
	l := &lines{strings.Split(text, "\n")}
	demand(l.next() == "career-ledger/proof.v1", "no proof")
	name := l.value("student")
	id := stream(name)
	events := count(l.value("events"))
	demand(events <= 100_000, "too many events")
	var leaves [][]byte
	chain, before, newest := make([]byte, 32), uint64(0), uint64(0)
	for version := uint64(1); version <= events; version++ {
		place, kind, _ := strings.Cut(l.next(), " ")
		newest = count(place)
		demand(newest > before || version == 1, "the positions do not rise")
		before = newest
		state := l.next()
		var said struct {
			Student, Type string
			Version       uint64
		}
		must(0, json.Unmarshal([]byte(state), &said))
		form := regexp.MustCompile("^" + regexp.QuoteMeta(said.Type) + `\.v[0-9]+$`)
		demand(said.Student == name && said.Version == version && form.MatchString(kind), "bytes say something else")
		digest := sha256.Sum256([]byte(state))
		leaves = append(leaves, leaf(fmt.Sprintf("career-ledger/event.v1\n%d\n%s\n%d\n%s\n%x\n", newest, id, version, kind,
			digest)))
		link := sha256.Sum256(append(chain, leaves[version-1]...))
		chain = link[:]
	}
	type way struct {
		version, index uint64
		path           [][]byte
	}
	var ways []way
	paths := count(l.value("inclusions"))
	demand(paths == events || (paths == 1 && events > 0), "not the newest event, nor all of them")
	for at := range paths {
		version := count(l.value("version"))
		demand(version == events-paths+at+1, "another event's path")
		index, path := l.path()
		ways = append(ways, way{version, index, path})
	}

	sum := sha256.Sum256([]byte(id))
	key := hex.EncodeToString(sum[:])
	bucket := (&compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}).NewEmptyRange(0)
	last, hers := "", false
	others := count(l.value("bucket"))
	demand(others <= 10_000, "too many in a bucket")
	for range others {
		one, shown, _ := strings.Cut(l.next(), " ")
		demand(regexp.MustCompile(`^[0-9a-f]{64}$`).MatchString(one) && one > last && one[:4] == key[:4], "a bucket's keys")
		last = one
		found := must(hex.DecodeString(shown))
		if one == key {
			hers = true
			demand(bytes.Equal(found, leaf(fmt.Sprintf("career-ledger/student.v1\n%s\n%d\n%x\n", key, events, chain))),
				"not exactly these events")
		}
		must(0, bucket.Append(found, nil))
	}
	demand(hers == (events > 0), "events, or none")
	root := rfc6962.DefaultHasher.EmptyRoot()
	if others > 0 {
		root = must(bucket.GetRootHash(nil))
	}
	index, path := l.path()
	entry := l.end()
	said := strings.Split(entry, "\n")
	mapped := must(hex.DecodeString(said[4]))
	demand(index == uint64(sum[0])<<8|uint64(sum[1]), "another bucket")
	must(0, proof.VerifyInclusion(rfc6962.DefaultHasher, index, 1<<16, root, path, mapped))
	demand(newest <= count(said[2]), "an event after the end")
	size, top := ended(entry, l, verifier)
	for _, one := range ways {
		must(0, included(leaves[one.version-1], one.index, size, one.path, top))
	}
	return int(events)
}

func main() {
	folder := os.Args[1]
	read := func(name string) string { return string(must(os.ReadFile(filepath.Join(folder, name)))) }
	key := func(name string) note.Verifier { return must(note.NewVerifier(strings.TrimSpace(read(name)))) }
	err := attempt(func() {
		verifier, next := key("key"), key("next-key")
		size, root := ended(read("heads.entry"), &lines{strings.Split(read("heads.tlog-proof"), "\n")}, verifier)
		demand(strings.HasSuffix(read("heads.tlog-proof"), "\n\n"+read("second.checkpoint")), "another checkpoint")
		demand(attempt(func() {
			ended(read("heads.entry")+"x", &lines{strings.Split(read("heads.tlog-proof"), "\n")}, verifier)
		}) != nil, "a changed entry is accepted")
		old, before := checkpoint(read("first.checkpoint"), verifier)
		steps := hashes(strings.Fields(read("consistency")))
		must(0, proof.VerifyConsistency(rfc6962.DefaultHasher, old, size, steps, before, root))
		demand(proof.VerifyConsistency(rfc6962.DefaultHasher, old, size, steps, root, root) != nil,
			"another beginning is accepted")
		handed := &lines{strings.Split(read("handover"), "\n")}
		entry := handed.end()
		demand(strings.HasSuffix(entry, "\n"+read("key")+read("next-key")), "other keys are handed over")
		at, _ := ended(entry, handed, verifier, next)
		fmt.Printf("accepted: consistency of %d and %d entries, the key handed over at %d\n", old, size, at)
		for _, name := range []string{"S01.proof", "S01-full.proof", "S99.proof"} {
			fmt.Printf("accepted: %s, %d events\n", name, student(read(name), verifier))
		}
		fmt.Printf("accepted: S02-later.proof, %d events\n", student(read("S02-later.proof"), next))
		demand(attempt(func() { student(read("S02-later.proof"), verifier) }) != nil, "the key of before is accepted")
		damaged := must(filepath.Glob(filepath.Join(os.Args[2], "*.proof")))
		for _, path := range damaged {
			text := string(must(os.ReadFile(path)))
			demand(attempt(func() { student(text, verifier) }) != nil, filepath.Base(path)+" is accepted")
		}
		demand(len(damaged) >= 20, "fewer than twenty damaged proofs")
		fmt.Printf("refused: each of %d damaged proofs\n", len(damaged))
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "NOT AS IT SHOULD BE:", err)
		os.Exit(1)
	}
}
