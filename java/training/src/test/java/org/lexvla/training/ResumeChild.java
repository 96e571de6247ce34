package org.lexvla.training;

import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.lexvla.lexical.Device;
import org.lexvla.model.LexVla;

/** A run in a process of its own, to be killed; it goes on where it was. Says a line after every step. */
final class ResumeChild {
    private ResumeChild() {}

    /** Starts one; its errors come with its lines. */
    static Process start(Path shared, Path run, String... settings) throws IOException {
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx512m",
                "--add-opens=java.base/java.nio=ALL-UNNAMED",
                "-Dorg.bytedeco.javacpp.maxPhysicalBytes=0",
                "-Dai.djl.offline=true",
                "-cp",
                System.getProperty("surefire.test.class.path", System.getProperty("java.class.path")),
                ResumeChild.class.getName(),
                shared.toString(),
                run.toString()));
        command.addAll(List.of(settings));
        return new ProcessBuilder(command).redirectErrorStream(true).start();
    }

    /** Waits for the lines of so many steps; false if it ended before. */
    static boolean awaitSteps(BufferedReader lines, int steps) throws IOException {
        int seen = 0;
        for (String line; seen < steps && (line = lines.readLine()) != null; ) {
            // Other lines are warnings.
            seen += line.matches("\\d+") ? 1 : 0;
        }
        return seen == steps;
    }

    public static void main(String[] arguments) throws IOException {
        Path shared = Path.of(arguments[0]);
        Path run = Path.of(arguments[1]);
        TrainingConfig config = ToyData.config(Arrays.copyOfRange(arguments, 2, arguments.length));
        CaptionDataset data = CaptionDataset.open(shared.resolve("data" + File.separator + "captions.tsv"));
        Optional<Checkpoint> last = Checkpoint.last(run);
        try (LexVla model = last.isPresent()
                ? LexVla.load(last.get().directory(), Device.cpu())
                : ToyData.fresh(config, data, shared)) {
            if (last.isPresent()) {
                Trainer.resume(model, data, config, run, last.get(), ResumeChild::say);
            } else {
                Trainer.run(model, data, config, run, ResumeChild::say);
            }
        }
    }

    private static void say(StepReport report) {
        System.out.println(report.step());
    }
}
