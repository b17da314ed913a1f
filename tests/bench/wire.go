// SPDX-License-Identifier: Apache-2.0

// Kubernetes' protobuf envelope, and a reader for the few fields of a pod that
// are looked at. Decoding whole pods would cost the machine that is measured.
package main

import (
	"encoding/binary"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"
)

const protobufType = "application/vnd.kubernetes.protobuf"

// magic begins every Kubernetes protobuf message.
var magic = []byte("k8s\x00")

var (
	errWire      = errors.New("malformed protobuf")
	errWatchOver = errors.New("the watch ended")
)

type marshaler interface{ Marshal() ([]byte, error) }

// envelope encodes an object as a request body.
func envelope(apiVersion, kind string, o marshaler) ([]byte, error) {
	raw, err := o.Marshal()
	if err != nil {
		return nil, err
	}
	u := runtime.Unknown{TypeMeta: runtime.TypeMeta{APIVersion: apiVersion, Kind: kind}, Raw: raw}
	b, err := u.Marshal()
	if err != nil {
		return nil, err
	}
	return append(append(make([]byte, 0, len(magic)+len(b)), magic...), b...), nil
}

// unwrap returns the object inside an envelope.
func unwrap(b []byte) ([]byte, error) {
	if len(b) < len(magic) || string(b[:len(magic)]) != string(magic) {
		return nil, errWire
	}
	return field(b[len(magic):], 2)
}

// field returns the content of the first length-delimited field with the given
// number, and nil where there is none.
func field(b []byte, number uint64) ([]byte, error) {
	content, _, err := next(b, number)
	return content, err
}

// next is field, and returns also what follows it.
func next(b []byte, number uint64) (content, rest []byte, err error) {
	for len(b) > 0 {
		tag, n := binary.Uvarint(b)
		if n <= 0 {
			return nil, nil, errWire
		}
		b = b[n:]
		skip := uint64(0)
		switch tag & 7 {
		case 0:
			_, n := binary.Uvarint(b)
			if n <= 0 {
				return nil, nil, errWire
			}
			skip = uint64(n)
		case 1:
			skip = 8
		case 2:
			size, n := binary.Uvarint(b)
			if n <= 0 || size > uint64(len(b)-n) {
				return nil, nil, errWire
			}
			b = b[n:]
			if tag>>3 == number {
				return b[:size], b[size:], nil
			}
			skip = size
		case 5:
			skip = 4
		default:
			return nil, nil, errWire
		}
		if skip > uint64(len(b)) {
			return nil, nil, errWire
		}
		b = b[skip:]
	}
	return nil, nil, nil
}

// fields follows a path of field numbers.
func fields(b []byte, path ...uint64) ([]byte, error) {
	var err error
	for _, number := range path {
		if b, err = field(b, number); err != nil || b == nil {
			return nil, err
		}
	}
	return b, nil
}

// podEvent is what a watch says of a pod. Its slices are valid until the next.
type podEvent struct {
	kind      []byte // ADDED, MODIFIED, DELETED
	name, uid []byte
}

// parseEvent reads one frame of a watch of pods. What the server reports as an
// error is errWatchOver.
func parseEvent(frame []byte) (podEvent, error) {
	var e podEvent
	kind, err := field(frame, 1)
	if err != nil {
		return e, err
	}
	object, err := fields(frame, 2, 1)
	if err != nil {
		return e, err
	}
	if object, err = unwrap(object); err != nil {
		return e, err
	}
	if string(kind) == "ERROR" {
		message, err := field(object, 3)
		if err != nil {
			return e, err
		}
		return e, fmt.Errorf("%w: %s", errWatchOver, message)
	}
	e, err = parsePod(object)
	e.kind = kind
	return e, err
}

var added = []byte("ADDED")

func parsePod(pod []byte) (podEvent, error) {
	var e podEvent
	meta, err := field(pod, 1)
	if err != nil {
		return e, err
	}
	if e.name, err = field(meta, 1); err != nil {
		return e, err
	}
	e.uid, err = field(meta, 5)
	return e, err
}

// parseList reports the pods of a list as ADDED and returns the list's version.
func parseList(b []byte, on func(podEvent)) (string, error) {
	list, err := unwrap(b)
	if err != nil {
		return "", err
	}
	version, err := fields(list, 1, 2)
	for err == nil {
		var item []byte
		if item, list, err = next(list, 2); err != nil || item == nil {
			break
		}
		var e podEvent
		if e, err = parsePod(item); err == nil {
			e.kind = added
			on(e)
		}
	}
	return string(version), err
}
