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

var errWire = errors.New("malformed protobuf")

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
	for len(b) > 0 {
		tag, n := binary.Uvarint(b)
		if n <= 0 {
			return nil, errWire
		}
		b = b[n:]
		skip := uint64(0)
		switch tag & 7 {
		case 0:
			_, n := binary.Uvarint(b)
			if n <= 0 {
				return nil, errWire
			}
			skip = uint64(n)
		case 1:
			skip = 8
		case 2:
			size, n := binary.Uvarint(b)
			if n <= 0 || size > uint64(len(b)-n) {
				return nil, errWire
			}
			b = b[n:]
			if tag>>3 == number {
				return b[:size], nil
			}
			skip = size
		case 5:
			skip = 4
		default:
			return nil, errWire
		}
		if skip > uint64(len(b)) {
			return nil, errWire
		}
		b = b[skip:]
	}
	return nil, nil
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

// parseEvent reads one frame of a watch of pods. A server's error is an error.
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
		return e, errors.Join(err, fmt.Errorf("the watch ended: %s", message))
	}
	meta, err := field(object, 1)
	if err != nil {
		return e, err
	}
	e.kind = kind
	if e.name, err = field(meta, 1); err != nil {
		return e, err
	}
	e.uid, err = field(meta, 5)
	return e, err
}
