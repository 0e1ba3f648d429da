package executor

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestTheCapsuleMadeFirstIsNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, began := queue{free: 1}, time.Now()
		release, err := q.wait(t.Context(), began)
		if err != nil {
			t.Fatal(err)
		}
		turns := make(chan int, 4)
		for _, made := range []int{3, 1, 4, 2} {
			go func() {
				if release, err := q.wait(t.Context(), began.Add(time.Duration(made)*time.Second)); err == nil {
					turns <- made
					release()
				}
			}()
			synctest.Wait()
		}
		release()
		var got []int
		for range 4 {
			got = append(got, <-turns)
		}
		synctest.Wait()
		if !slices.IsSorted(got) || q.free != 1 {
			t.Errorf("turns %v, %d free", got, q.free)
		}
	})
}

func TestATurnThatNobodyTakesGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := queue{free: 1}
		release, err := q.wait(t.Context(), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		gone := make(chan error, 1)
		go func() {
			_, err := q.wait(ctx, time.Now().Add(-time.Hour))
			gone <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-gone; !errors.Is(err, context.Canceled) {
			t.Errorf("waiting ended with %v", err)
		}
		release()
		if _, err := q.wait(t.Context(), time.Now()); err != nil || q.free != 0 || len(q.waiting) != 0 {
			t.Errorf("%v, %d free, %d waiting", err, q.free, len(q.waiting))
		}
	})
}
