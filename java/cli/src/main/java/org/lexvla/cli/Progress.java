package org.lexvla.cli;

import java.time.Duration;
import java.util.Locale;
import java.util.concurrent.atomic.AtomicBoolean;
import me.tongfei.progressbar.ConsoleProgressBarConsumer;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;

/**
 * How far long work has come, on standard error: a bar on a terminal, else a line every ten seconds, so that a log shows
 * life too.
 */
public final class Progress implements AutoCloseable {
    private static final Duration BETWEEN_LINES = Duration.ofSeconds(10);
    /** Two bars would write over each other: of work side by side on a terminal, the first to start shows. */
    private static final AtomicBoolean BAR_SHOWN = new AtomicBoolean();

    /** Columns of the terminal that standard error is, which the launcher knows; 0: it is none. */
    private static final int TERMINAL = Integer.getInteger("lexvla.terminal", 0);

    private final String task;
    private final String unit;
    private final long total;
    private final ProgressBar bar;
    private final long start = System.nanoTime();
    private long lastLine = start;
    private long done;
    /** Where the first step ended: what a run before had done, and what the first step takes longer, is no measure of the speed. */
    private long first = -1;

    private long firstAt;
    private String note = "";

    private Progress(String task, String unit, long total, ProgressBar bar) {
        this.task = task;
        this.unit = unit;
        this.total = total;
        this.bar = bar;
    }

    static Progress start(String task, String unit, long total) {
        ProgressBar bar = null;
        if (TERMINAL > 0 && BAR_SHOWN.compareAndSet(false, true)) {
            bar = new ProgressBarBuilder()
                    .setTaskName(task)
                    .setUnit(" " + unit, 1)
                    .setInitialMax(total)
                    .setStyle(ProgressBarStyle.ASCII)
                    .setUpdateIntervalMillis(250)
                    // The library's own choice opens a terminal, and with it Ctrl-C would end the JVM without its
                    // hooks.
                    .setConsumer(new ConsoleProgressBarConsumer(System.err, TERMINAL - 1))
                    .showSpeed()
                    .build();
        }
        return new Progress(task, unit, total, bar);
    }

    /** Says that {@code done} of the total are done. */
    public void to(long done) {
        this.done = done;
        if (bar != null) {
            bar.stepTo(done);
            return;
        }
        long now = System.nanoTime();
        if (first < 0) {
            first = done;
            firstAt = now;
        }
        if (TERMINAL == 0 && now - lastLine >= BETWEEN_LINES.toNanos()) {
            lastLine = now;
            double seconds = (now - start) / 1e9;
            System.err.printf(
                    Locale.ROOT,
                    "%s: %d%s %s, %.0f s%s%s%n",
                    task,
                    done,
                    total < 0 ? "" : " of " + total,
                    unit,
                    seconds,
                    speed((now - firstAt) / 1e9),
                    note.isEmpty() ? "" : ", " + note);
        }
    }

    private String speed(double seconds) {
        if (done == first) {
            return "";
        }
        double perSecond = (done - first) / seconds;
        String left = total < 0 ? "" : String.format(Locale.ROOT, ", about %.0f s left", (total - done) / perSecond);
        return String.format(Locale.ROOT, perSecond < 10 ? ", %.2f a second%s" : ", %.0f a second%s", perSecond, left);
    }

    /** One more is done. */
    public void step() {
        to(done + 1);
    }

    /** Writes a line of its own, above the bar where there is one; it takes the place of the line every ten seconds. */
    public void line(String line) {
        lastLine = System.nanoTime();
        // What the bar had written on its line is overwritten, and the bar written again below.
        System.err.println(bar == null ? line : "\r" + line + "\033[K");
    }

    /** A few words beside the numbers, such as the loss. */
    public void note(String note) {
        this.note = note;
        if (bar != null) {
            bar.setExtraMessage(note);
        }
    }

    @Override
    public void close() {
        if (bar != null) {
            bar.close();
            BAR_SHOWN.set(false);
        }
    }
}
