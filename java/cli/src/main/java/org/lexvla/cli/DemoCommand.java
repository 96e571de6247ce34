package org.lexvla.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import org.lexvla.cli.demo.DemoEvaluation;
import org.lexvla.cli.demo.DemoFigures;
import org.lexvla.cli.demo.Report;
import org.lexvla.cli.demo.ReportData;
import org.lexvla.cli.demo.Scene;
import org.lexvla.cli.demo.SceneFiles;
import org.lexvla.cli.demo.SceneGenerator;
import org.lexvla.lexical.Device;
import org.lexvla.model.LexVla;
import org.lexvla.training.NewModelConfig;
import org.lexvla.training.TrainingConfig;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/**
 * The whole way in a few minutes, on a world that the command draws itself: stand-ins for the backbones, then {@code init},
 * {@code train}, {@code encode}, {@code index}, {@code search} and {@code evaluate}, run as the commands they are.
 */
@Command(
        name = "demo",
        description = {
            "Draw a small world of captioned scenes, train on it, search it, and explain it in a page.",
            "Needs nothing but this clone and a few minutes. The backbones are tiny stand-ins; the report says what they were"
                    + " trained on."
        },
        mixinStandardHelpOptions = true,
        footer = {"", "Example: ./lexvla demo --out /tmp/lexvla-demo"})
final class DemoCommand implements Callable<Integer> {
    private static final long SEED = 20_241_210;
    private static final int TRAINING_SCENES = 2000;
    private static final int STAND_IN_SCENES = 1000;
    private static final int HELD_OUT_SCENES = 100;
    private static final int CAPTIONS = 3;
    private static final int SHOWN = 16;

    @Option(names = "--out", required = true, paramLabel = "DIR", description = "Directory to make.")
    private Path out;

    @Mixin
    private Console console;

    private Stages stages;

    @Override
    public Integer call() throws Exception {
        Inputs.requireAbsent(out);
        stages = new Stages(console);
        PrintStream results = System.out;
        if (console.isJson()) {
            // The commands that run inside print for people; standard output is for the one object at the end.
            System.setOut(System.err);
        }
        ObjectNode result;
        try {
            result = run();
        } finally {
            System.setOut(results);
        }
        console.result(result);
        return 0;
    }

    private ObjectNode run() throws Exception {
        Path settingsFile = Path.of(System.getProperty("lexvla.home", "."), "configs", "demo.yaml");
        TrainingConfig settings = TrainingConfig.load(settingsFile, List.of());
        int size = settings.fresh().vision().image();

        stages.say("Drawing %d scenes to train on and %d to hold out", TRAINING_SCENES, HELD_OUT_SCENES);
        SceneGenerator world = new SceneGenerator(SEED, size);
        Path training = out.resolve("scenes/train");
        Path heldOut = out.resolve("scenes/held-out");
        SceneFiles.write(training, world.generate(SceneGenerator.Split.TRAIN, TRAINING_SCENES, CAPTIONS));
        List<Scene> unseen = world.generate(SceneGenerator.Split.HELD_OUT, HELD_OUT_SCENES, 1);
        SceneFiles.write(heldOut, unseen);
        String captions = training.resolve("captions.tsv").toString();
        String heldOutCaptions = heldOut.resolve("captions.tsv").toString();

        standIns(settings, size, training.resolve("captions.tsv"));

        String model = out.resolve("model").toString();
        String config = settingsFile.toString();
        stages.command(
                "init",
                "--vision",
                out.resolve("vision").toString(),
                "--text",
                out.resolve("text").toString(),
                "--captions",
                captions,
                "--config",
                config,
                "--out",
                model);
        DemoFigures before;
        try (LexVla untrained = LexVla.load(out.resolve("model"), Device.cpu())) {
            before = DemoEvaluation.of(untrained, unseen, SHOWN).figures();
        }

        Path run = out.resolve("run");
        Path flops = out.resolve("run-flops");
        List<String> train = List.of("train", "--model", model, "--data", captions, "--config", config);
        stages.say("Training, and beside it the same with the FLOPs penalty to compare");
        Stages.sideBySide(List.of(
                () -> stages.command(train, "--out", run.toString()),
                () -> stages.command(train, "--set", "loss.penalty=flops", "--out", flops.toString())));

        stages.command(
                "encode",
                "images",
                "--model",
                run.toString(),
                "--data",
                heldOutCaptions,
                "--out",
                out.resolve("held-out.arrow").toString());
        stages.command(
                "index",
                "--model",
                run.toString(),
                "--data",
                heldOut.resolve("images").toString(),
                "--out",
                out.resolve("index").toString());
        stages.command(
                "search",
                "--index",
                out.resolve("index").toString(),
                "--k",
                "5",
                "--explain",
                unseen.get(0).captions().get(0));
        stages.command("evaluate", "retrieval", "--model", run.toString(), "--data", heldOutCaptions);
        stages.command("evaluate", "sparsity", "--model", run.toString(), "--data", heldOutCaptions);

        return conclude(settings, unseen, before, run, flops);
    }

    /** What takes the place of pre-training; nothing of it is seen again by train. */
    private void standIns(TrainingConfig settings, int size, Path captions) throws Exception {
        stages.say(
                "Preparing the stand-ins for Llama 2 (on the captions alone) and DINOv2 (on scenes of its own, without words)");
        DemoBackbones backbones = new DemoBackbones(settings, new SceneGenerator(SEED + 1, size), console);
        Stages.sideBySide(List.of(
                () -> backbones.text(captions, out.resolve("text")),
                () -> backbones.vision(STAND_IN_SCENES, out.resolve("vision"))));
    }

    private ObjectNode conclude(TrainingConfig settings, List<Scene> unseen, DemoFigures before, Path run, Path flops)
            throws IOException {
        DemoEvaluation.Result after;
        DemoEvaluation.Result withFlops;
        try (LexVla trained = LexVla.load(run, Device.cpu());
                LexVla other = LexVla.load(flops, Device.cpu())) {
            after = DemoEvaluation.of(trained, unseen, SHOWN);
            withFlops = DemoEvaluation.of(other, unseen, SHOWN);
        }
        double seconds = stages.seconds();
        long peak = peakMegabytes();
        Map<String, String> facts = new LinkedHashMap<>();
        facts.put("training scenes", TRAINING_SCENES + ", " + CAPTIONS + " captions each");
        facts.put("held-out scenes", String.valueOf(HELD_OUT_SCENES));
        facts.put("steps", settings.steps() + " of " + settings.batch() + " pairs");
        facts.put("seed", String.valueOf(SEED));
        facts.put(
                "time",
                String.format(
                        Locale.ROOT,
                        "%.0f s on %d processors",
                        seconds,
                        Runtime.getRuntime().availableProcessors()));
        facts.put("peak memory", peak + " MB");
        Path report = out.resolve("report.html");
        Report.write(
                new ReportData(
                        about(),
                        standInTexts(settings),
                        before,
                        after.figures(),
                        withFlops.figures(),
                        List.of(curve(run, "overuse penalty", "loss"), curve(flops, "FLOPs penalty", "loss")),
                        List.of(
                                curve(run, "overuse penalty", "activeImage"),
                                curve(flops, "FLOPs penalty", "activeImage")),
                        after.sweep(),
                        after.pictures(),
                        withFlops.pictures(),
                        after.patches(),
                        facts),
                report);
        print(before, after.figures(), withFlops.figures());
        console.line(
                "%.0f s, peak memory %d MB. Look at %s",
                seconds, peak, report.toAbsolutePath().toUri());

        ObjectNode result = after.figures().json();
        result.put("seconds", Math.round(seconds * 10) / 10.0);
        result.put("peak_mb", peak);
        result.set("before", before.json());
        result.set("flops", withFlops.figures().json());
        result.put("report", report.toString());
        return result;
    }

    private void print(DemoFigures before, DemoFigures after, DemoFigures flops) {
        console.line("");
        console.line("%-44s %8s %8s %8s", HELD_OUT_SCENES + " held-out scenes", "before", "after", "FLOPs");
        row(
                "R@1 text to image (chance 0.01)",
                before.textToImage().r1(),
                after.textToImage().r1(),
                flops.textToImage().r1());
        row(
                "R@1 image to text (chance 0.01)",
                before.imageToText().r1(),
                after.imageToText().r1(),
                flops.imageToText().r1());
        row(
                "strongest words that are true",
                before.words().precision(),
                after.words().precision(),
                flops.words().precision());
        row(
                "strongest object words that are true",
                before.words().objectPrecision(),
                after.words().objectPrecision(),
                flops.words().objectPrecision());
        row(
                "filler among the ten strongest",
                before.words().fillerShare(),
                after.words().fillerShare(),
                flops.words().fillerShare());
        row(
                String.format(
                        Locale.ROOT,
                        "PatchDis mIoU (random %.3f)",
                        after.patches().random()),
                before.patches().miou(),
                after.patches().miou(),
                flops.patches().miou());
        row("active words of " + after.vocabulary(), before.activeWords(), after.activeWords(), flops.activeWords());
        console.line("");
    }

    private void row(String name, double before, double after, double flops) {
        String format = after >= 2 ? "%-44s %8.1f %8.1f %8.1f" : "%-44s %8.3f %8.3f %8.3f";
        console.line(format, name, before, after, flops);
    }

    private static List<String> about() {
        return List.of(
                "Every picture and every text becomes a sparse vector over words. A picture is found by a text because they"
                        + " share words, and the words say why.",
                "Everything on this page was made by one run of ./lexvla demo: the scenes were drawn, the stand-ins for the"
                        + " backbones prepared, and the model trained on scenes and captions. The pictures below are held"
                        + " out: they show combinations of kind, colour and background that no training scene shows.");
    }

    private static List<String> standInTexts(TrainingConfig settings) {
        NewModelConfig.FreshVision vision = settings.fresh().vision();
        NewModelConfig.FreshText text = settings.fresh().text();
        return List.of(
                String.format(
                        Locale.ROOT,
                        "In place of Llama 2: a Llama of %d layers and width %d, trained for %d steps on the training captions"
                                + " alone to name, at the end of the prompt, the content words of a caption. Then frozen; train"
                                + " adds LoRA.",
                        text.layers(),
                        text.hidden(),
                        text.standIn().steps()),
                String.format(
                        Locale.ROOT,
                        "In place of DINOv2: a DINOv2 of %d layers and width %d, trained for %d steps on %d scenes of its own"
                                + " to tell patches apart by anonymous numbers (what covers the patch, and its colour). It never"
                                + " saw a word. Then frozen.",
                        vision.layers(),
                        vision.hidden(),
                        vision.standIn().steps(),
                        STAND_IN_SCENES),
                "train itself saw pictures and captions only, never a mask or a label.",
                "What makes it easy: the objects are cut from patterned paper, a pattern for each kind, which repeats with the"
                        + " patches of 14 pixels. Retrieval needs no such help; that a patch names its object does.");
    }

    private static ReportData.Curve curve(Path run, String name, String key) throws IOException {
        List<String> lines = Files.readAllLines(run.resolve("metrics.jsonl"));
        double[] x = new double[lines.size()];
        double[] y = new double[lines.size()];
        ObjectMapper json = new ObjectMapper();
        for (int i = 0; i < x.length; i++) {
            JsonNode line = json.readTree(lines.get(i));
            x[i] = line.required("step").asDouble();
            y[i] = line.required(key).asDouble();
        }
        return new ReportData.Curve(name, x, y);
    }

    /** The most memory this process has held, from the kernel's account of it; -1 where there is none. */
    private static long peakMegabytes() throws IOException {
        Path status = Path.of("/proc/self/status");
        if (!Files.exists(status)) {
            return -1;
        }
        for (String line : Files.readAllLines(status)) {
            if (line.startsWith("VmHWM:")) {
                return Long.parseLong(line.replaceAll("[^0-9]", "")) / 1024;
            }
        }
        return -1;
    }
}
