package org.lexvla.cli;

import java.util.Locale;
import org.lexvla.training.FreshModel;
import org.lexvla.training.StandIns;

/** Shows how far the stand-ins for pre-training have come, a display for each. */
final class PreparationProgress implements FreshModel.Listener, AutoCloseable {
    private final Console console;
    private Progress stage;
    private String name = "";

    PreparationProgress(Console console) {
        this.console = console;
    }

    @Override
    public void progress(String stageName, StandIns.Progress progress) {
        if (!stageName.equals(name)) {
            close();
            name = stageName;
            stage = console.progress("prepare " + stageName, "steps", progress.steps());
        }
        stage.note(String.format(Locale.ROOT, "loss %.3f", progress.loss()));
        stage.to(progress.step());
    }

    @Override
    public void close() {
        if (stage != null) {
            stage.close();
        }
    }
}
