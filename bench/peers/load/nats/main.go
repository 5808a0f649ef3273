// The load for NATS JetStream, on its own Go client.
//
//	nats-load stream  broker= topic= [max_bytes=]
//	nats-load remove  broker= topic=
//	nats-load produce broker= topic= [connections= window= record_bytes= ms= ramp_ms= records=]
//	nats-load consume broker= topic= records= [record_bytes= ms=]
//	nats-load latency broker= topic= rate= samples=FILE [record_bytes= ms= ramp_ms=]
//
// Produce publishes asynchronously, with `window` messages unacknowledged on each connection; with a window of 1 it waits
// for every one. Latency counts from the moment at which a message was due. Prints one line of JSON.
package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

var options = map[string]string{}

func text(key string) string {
	value, given := options[key]
	if !given {
		fail(fmt.Errorf("the option %s is missing", key))
	}
	return value
}

func number(key string, otherwise int64) int64 {
	value, given := options[key]
	if !given {
		return otherwise
	}
	parsed, err := strconv.ParseInt(value, 10, 64)
	fail(err)
	return parsed
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func dial() (*nats.Conn, jetstream.JetStream) {
	connection, err := nats.Connect("nats://" + text("broker"))
	fail(err)
	stream, err := jetstream.New(connection, jetstream.WithPublishAsyncMaxPending(int(number("window", 1024))))
	fail(err)
	return connection, stream
}

// How long the client waits while the window is full, before it gives up.
var patience = jetstream.WithStallWait(time.Minute)

func say(result map[string]any) {
	line, err := json.Marshal(result)
	fail(err)
	fmt.Println(string(line))
}

// The window that is timed: from the end of the ramp to the end of the load.
type window struct {
	begin, end time.Time
}

func timedWindow() window {
	begin := time.Now().Add(time.Duration(number("ramp_ms", 1000)) * time.Millisecond)
	return window{begin, begin.Add(time.Duration(number("ms", 5000)) * time.Millisecond)}
}

func (w window) holds(moment time.Time) bool {
	return !moment.Before(w.begin) && moment.Before(w.end)
}

// A value of words that come again and numbers that do not, as in logs.
func value(length int64) []byte {
	words := []string{"level=info ", "service=checkout ", "method=GET ", "path=/api/v1/orders ", "status=200 ", "user=anna "}
	var built strings.Builder
	for i := 0; int64(built.Len()) < length; i++ {
		built.WriteString(words[i%len(words)])
		fmt.Fprintf(&built, "id=%08x ", uint32(i)*2654435761)
	}
	return []byte(built.String())[:length]
}

func makeStream() {
	_, stream := dial()
	config := jetstream.StreamConfig{
		Name: text("topic"), Subjects: []string{text("topic")}, Storage: jetstream.FileStorage,
		MaxBytes: number("max_bytes", -1), Discard: jetstream.DiscardOld,
	}
	_, err := stream.CreateStream(context.Background(), config)
	fail(err)
	say(map[string]any{"created": text("topic")})
}

func removeStream() {
	_, stream := dial()
	fail(stream.DeleteStream(context.Background(), text("topic")))
	say(map[string]any{"removed": text("topic")})
}

// What one connection has seen.
type tally struct {
	inside, total int64
	latencies     []uint32
}

func (t *tally) acknowledged(timed window, sent time.Time) {
	now := time.Now()
	t.total++
	if timed.holds(now) {
		t.inside++
		t.latencies = append(t.latencies, uint32(now.Sub(sent).Microseconds()))
	}
}

type pending struct {
	future jetstream.PubAckFuture
	sent   time.Time
}

func publish(stream jetstream.JetStream, payload []byte, timed window, limit int64) tally {
	var seen tally
	waiting := make(chan pending, number("window", 1024))
	done := make(chan struct{})
	go func() {
		for one := range waiting {
			select {
			case <-one.future.Ok():
				seen.acknowledged(timed, one.sent)
			case err := <-one.future.Err():
				fail(err)
			}
		}
		close(done)
	}()
	for sent := int64(0); limit > 0 && sent < limit || limit == 0 && time.Now().Before(timed.end); sent++ {
		started := time.Now()
		future, err := stream.PublishAsync(text("topic"), payload, patience)
		fail(err)
		waiting <- pending{future, started}
	}
	close(waiting)
	<-done
	return seen
}

func publishOneByOne(stream jetstream.JetStream, payload []byte, timed window) tally {
	var seen tally
	for time.Now().Before(timed.end) {
		started := time.Now()
		_, err := stream.Publish(context.Background(), text("topic"), payload)
		fail(err)
		seen.acknowledged(timed, started)
	}
	return seen
}

func produce() {
	connections, recordBytes := number("connections", 4), number("record_bytes", 100)
	records, payload := number("records", 0), value(recordBytes)
	streams := make([]jetstream.JetStream, connections)
	for i := range streams {
		_, streams[i] = dial()
	}
	timed := timedWindow()
	if records > 0 {
		timed = window{time.Now(), time.Now().Add(24 * time.Hour)}
	}
	tallies := make([]tally, connections)
	var group sync.WaitGroup
	for i := range tallies {
		group.Add(1)
		go func() {
			defer group.Done()
			if number("window", 1024) == 1 {
				tallies[i] = publishOneByOne(streams[i], payload, timed)
			} else {
				tallies[i] = publish(streams[i], payload, timed, records/connections)
			}
		}()
	}
	group.Wait()
	if records > 0 {
		timed.end = time.Now()
	}
	sayTallies(tallies, timed, recordBytes)
}

func sayTallies(tallies []tally, timed window, recordBytes int64) {
	var inside, total int64
	var latencies []uint32
	for _, one := range tallies {
		inside += one.inside
		total += one.total
		latencies = append(latencies, one.latencies...)
	}
	sort.Slice(latencies, func(i, j int) bool { return latencies[i] < latencies[j] })
	at := func(part float64) uint32 {
		if len(latencies) == 0 {
			return 0
		}
		return latencies[min(int(part*float64(len(latencies))), len(latencies)-1)]
	}
	seconds := timed.end.Sub(timed.begin).Seconds()
	say(map[string]any{
		"seconds": seconds, "recordsPerSecond": float64(inside) / seconds, "requestsPerSecond": float64(inside) / seconds,
		"bytesPerSecond": float64(inside*recordBytes) / seconds, "totalRecords": total, "totalBytes": total * recordBytes,
		"p50Us": at(0.5), "p99Us": at(0.99), "p999Us": at(0.999), "maxUs": at(1),
	})
}

func ordered(stream jetstream.JetStream) jetstream.Consumer {
	consumer, err := stream.OrderedConsumer(context.Background(), text("topic"), jetstream.OrderedConsumerConfig{})
	fail(err)
	return consumer
}

func consume() {
	_, stream := dial()
	expected, recordBytes := number("records", 0), number("record_bytes", 100)
	wanted := time.Duration(number("ms", 5000)) * time.Millisecond
	var spent time.Duration
	var total int64
	for ok := true; ok; ok = spent < wanted {
		began := time.Now()
		messages, err := ordered(stream).Messages(jetstream.PullMaxMessages(10000))
		fail(err)
		for i := int64(0); i < expected; i++ {
			message, err := messages.Next()
			fail(err)
			if int64(len(message.Data())) != recordBytes {
				fail(errors.New("a record of another length"))
			}
		}
		messages.Stop()
		spent += time.Since(began)
		total += expected
	}
	seconds := spent.Seconds()
	say(map[string]any{
		"seconds": seconds, "recordsPerSecond": float64(total) / seconds, "totalRecords": total,
		"bytesPerSecond": float64(total*recordBytes) / seconds, "totalBytes": total * recordBytes,
	})
}

func latency() {
	rate, payload := number("rate", 1000), value(number("record_bytes", 100))
	_, producer := dial()
	_, consumer := dial()
	wanted := rate * (number("ramp_ms", 1000) + number("ms", 5000)) / 1000
	messages, err := ordered(consumer).Messages()
	fail(err)
	started := time.Now()
	timed := timedWindow()
	var samples []byte
	var inside atomic.Int64
	done := make(chan struct{})
	go func() {
		for i := int64(0); i < wanted; i++ {
			message, err := messages.Next()
			fail(err)
			due := started.Add(time.Duration(binary.LittleEndian.Uint64(message.Data())))
			if timed.holds(due) {
				samples = binary.LittleEndian.AppendUint32(samples, uint32(time.Since(due).Microseconds()))
				inside.Add(1)
			}
		}
		close(done)
	}()
	for sent := int64(0); sent < wanted; {
		due := time.Duration(sent * 1_000_000_000 / rate)
		if wait := due - time.Since(started); wait > 0 {
			time.Sleep(max(wait, 100*time.Microsecond))
			continue
		}
		binary.LittleEndian.PutUint64(payload, uint64(due))
		// The client keeps the message until it is acknowledged.
		_, err := producer.PublishAsync(text("topic"), append([]byte(nil), payload...), patience)
		fail(err)
		sent++
	}
	seconds := time.Since(started).Seconds()
	<-producer.PublishAsyncComplete()
	<-done
	fail(os.WriteFile(text("samples"), samples, 0o644))
	say(map[string]any{
		"seconds": seconds, "recordsPerSecond": float64(wanted) / seconds, "samples": inside.Load(),
		"totalRecords": wanted, "totalBytes": wanted * int64(len(payload)),
	})
}

func main() {
	modes := map[string]func(){"stream": makeStream, "remove": removeStream, "produce": produce, "consume": consume, "latency": latency}
	if len(os.Args) < 2 || modes[os.Args[1]] == nil {
		fail(errors.New("stream, remove, produce, consume or latency"))
	}
	for _, word := range os.Args[2:] {
		key, given, _ := strings.Cut(word, "=")
		options[key] = given
	}
	modes[os.Args[1]]()
}
