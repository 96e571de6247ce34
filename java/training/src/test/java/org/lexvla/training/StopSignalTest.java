package org.lexvla.training;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/** In JVMs of their own, which end. */
class StopSignalTest {
    private static final long PATIENCE_SECONDS = 60;

    /** What a JVM does while a signal is open. */
    @SuppressWarnings("try")
    static final class Child {
        public static void main(String[] arguments) throws Exception {
            Thread main = Thread.currentThread();
            try (StopSignal stop = StopSignal.ofTheJvm(() -> System.out.println("told"))) {
                System.out.println("requested " + stop.requested());
                switch (arguments[0]) {
                    case "exits" -> exit(3);
                    case "is told" -> {
                        new Thread(() -> System.exit(4)).start();
                        while (!stop.requested()) {
                            Thread.onSpinWait();
                        }
                        // Longer than the hook looks away.
                        Thread.sleep(500);
                        try (StopSignal late = StopSignal.ofTheJvm(() -> System.out.println("told late"))) {
                            System.out.println("late: requested " + late.requested());
                        }
                        System.out.println("last word");
                    }
                    default -> throw new IllegalArgumentException(arguments[0]);
                }
            }
            main.join();
        }

        private static void exit(int code) {
            System.exit(code);
        }
    }

    @Test
    void theJvmWaitsUntilItIsClosed() throws Exception {
        assertThat(said("is told", 4)).isEqualTo("requested false\ntold\nlate: requested true\nlast word\n");
    }

    /** The thread that would close it never returns from {@code System.exit}. */
    @Test
    void whoeverExitsItselfIsNotWaitedFor() throws Exception {
        assertThat(said("exits", 3)).isEqualTo("requested false\ntold\n");
    }

    private static String said(String what, int code) throws Exception {
        Process child = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-cp",
                        System.getProperty("surefire.test.class.path", System.getProperty("java.class.path")),
                        Child.class.getName(),
                        what)
                .redirectErrorStream(true)
                .start();
        try {
            assertThat(child.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS))
                    .as(what)
                    .isTrue();
            assertThat(child.exitValue()).isEqualTo(code);
            return new String(child.getInputStream().readAllBytes()).replace(System.lineSeparator(), "\n");
        } finally {
            child.destroyForcibly();
        }
    }
}
