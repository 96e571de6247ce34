package org.lexvla.spark;

import java.io.IOException;
import java.io.InputStream;
import org.lexvla.cli.Lexvla;

/** The process of a task. Its standard input is a pipe of the executor, which closes when that ends, in whatever way. */
final class TrainingProcess {
    private TrainingProcess() {}

    public static void main(String[] arguments) {
        InputStream executor = System.in;
        Thread watch = new Thread(() -> endWith(executor), "lexvla-executor-watch");
        watch.setDaemon(true);
        watch.start();
        Lexvla.main(arguments);
    }

    /** At once: the stage is begun again elsewhere, and checkpoints are whole or not there at any moment. */
    private static void endWith(InputStream executor) {
        try {
            while (executor.read() >= 0) {
                // Nothing is sent.
            }
        } catch (IOException e) {
            // Closed, too.
        }
        System.err.println("the executor is gone");
        Runtime.getRuntime().halt(1);
    }
}
