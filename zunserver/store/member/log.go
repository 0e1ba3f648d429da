package member

import (
	"github.com/sirupsen/logrus"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// logCore writes etcd's log records to logrus.
type logCore struct {
	zapcore.LevelEnabler
	log *logrus.Entry
}

// Bridge returns a zap logger that writes to log what level lets through.
func Bridge(log *logrus.Entry, level zap.AtomicLevel) *zap.Logger {
	return zap.New(logCore{LevelEnabler: level, log: log.WithField("component", "etcd")})
}

// Warnings lets warnings through, and what is worse.
func Warnings() zap.AtomicLevel { return zap.NewAtomicLevelAt(zapcore.WarnLevel) }

// With implements zapcore.Core.
func (c logCore) With(fields []zapcore.Field) zapcore.Core {
	return logCore{LevelEnabler: c.LevelEnabler, log: c.log.WithFields(logrusFields(fields))}
}

// Check implements zapcore.Core.
func (c logCore) Check(e zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(e.Level) {
		return ce.AddCore(e, c)
	}
	return ce
}

// Write implements zapcore.Core. What ends the process in zap (panic, fatal) is an error line here; zap ends it after.
func (c logCore) Write(e zapcore.Entry, fields []zapcore.Field) error {
	level := logrus.ErrorLevel
	if e.Level < zapcore.ErrorLevel {
		level = logrus.WarnLevel
	}
	c.log.WithFields(logrusFields(fields)).Log(level, e.Message)
	return nil
}

// Sync implements zapcore.Core.
func (c logCore) Sync() error { return nil }

func logrusFields(fields []zapcore.Field) logrus.Fields {
	enc := zapcore.NewMapObjectEncoder()
	for _, f := range fields {
		f.AddTo(enc)
	}
	return logrus.Fields(enc.Fields)
}
