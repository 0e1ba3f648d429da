package agent

import (
	"slices"

	"github.com/capsulet/capsulet/zunserver/agent/executor"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

// news is what an action told, until it is in the facts.
type news struct {
	executor.News
	id int
}

// report hands news to the worker of the capsule.
func (a *Agent) report(uuid string, told executor.News) {
	a.mu.Lock()
	w := a.workers[uuid]
	a.mu.Unlock()
	if w == nil {
		return
	}
	w.mu.Lock()
	w.newsID++
	w.news = append(w.news, news{told, w.newsID})
	w.mu.Unlock()
	if told.Urgent {
		w.wake()
	}
}

func (w *worker) heard() []news {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.news)
}

// forgetNews drops what was told.
func (w *worker) forgetNews(told map[int]bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.news = slices.DeleteFunc(w.news, func(n news) bool { return told[n.id] })
}

// tell puts news into the facts, if its time has come, and returns which.
func tell(f *capsule.Facts, heard []news, failures map[string]*executor.Note) map[int]bool {
	told := map[int]bool{}
	for _, n := range heard {
		cf := f.Container(n.Container)
		if cf == nil {
			continue
		}
		ran := cf.Run != nil && cf.Run.Attempt >= n.Attempt
		failed := failures[n.Container] != nil && !failures[n.Container].Clear
		if !n.Urgent && !ran && (!failed || n.Resources != nil) {
			continue
		}
		told[n.id] = true
		if n.Pull != nil {
			cf.Pull = n.Pull
		}
		if n.Hook != nil {
			cf.Hook = n.Hook
		}
		if n.Resources != nil && cf.Run != nil && cf.Run.Attempt == n.Attempt {
			run := *cf.Run
			run.Resources = n.Resources
			cf.Run = &run
		}
	}
	return told
}
