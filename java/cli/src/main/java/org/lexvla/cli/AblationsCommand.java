package org.lexvla.cli;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import org.lexvla.cli.demo.DemoEvaluation;
import org.lexvla.cli.demo.DemoFigures;
import org.lexvla.cli.demo.Scene;
import org.lexvla.cli.demo.SceneFiles;
import org.lexvla.cli.demo.SceneGenerator;
import org.lexvla.evaluation.SparsitySweep;
import org.lexvla.lexical.Device;
import org.lexvla.lexical.Sparsification;
import org.lexvla.model.LexVla;
import org.lexvla.training.TrainingConfig;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Trains and scores the variants of SPEC §8 on the world that the demo draws. */
@Command(
        name = "ablations",
        description = {
            "Train and score variants of the model on a world that is drawn: another penalty, a bag of words as text side, CLS in or"
                    + " out of the maximum, another visual backbone, and the strongest words instead of a threshold.",
            "All are made of the same seed, trained on the same scenes and measured on the same scenes that none of them has seen."
                    + " Started again, it goes on with the variants that are not yet trained.",
            "The table is also written to OUT/ablations.md, the curve of R@1 against sparsity to OUT/sparsity.png."
        },
        mixinStandardHelpOptions = true,
        footer = {
            "",
            "Examples: ./lexvla evaluate ablations --config configs/demo.yaml --out ablations",
            "          ./lexvla evaluate ablations --out ablations --set steps=1000 --variants flops,bag-of-words"
        })
final class AblationsCommand implements Callable<Integer> {
    private static final long SEED = 20_241_210;
    private static final int CAPTIONS = 3;
    /** The paper's LexVLA(512) keeps this share of its words. */
    private static final double TOP_SHARE = 512 / 17_149.0;

    private static final String FULL = "lexvla";
    private static final int PLOT_WIDTH = 560;
    private static final int PLOT_HEIGHT = 320;

    @Option(names = "--out", required = true, paramLabel = "DIR", description = "Directory of scenes and models.")
    private Path out;

    @Option(
            names = "--variants",
            split = ",",
            paramLabel = "NAME,...",
            hideParamSyntax = true,
            description =
                    "Which, besides the full model: flops, no-penalty, bag-of-words, cls, backbone (default: all of them).")
    private List<String> chosen = List.of("flops", "no-penalty", "bag-of-words", "cls", "backbone");

    @Option(
            names = "--scenes",
            defaultValue = "2000",
            paramLabel = "N",
            description = "Scenes to train on (default: ${DEFAULT-VALUE}).")
    private int trainingScenes;

    @Option(
            names = "--held-out",
            defaultValue = "100",
            paramLabel = "N",
            description = "Scenes to measure on (default: ${DEFAULT-VALUE}).")
    private int heldOutScenes;

    @Mixin
    private ConfigOptions config;

    @Mixin
    private Console console;

    private Stages stages;

    /**
     * A model that differs in one point.
     *
     * @param name     of its directory
     * @param label    in the table
     * @param vision   its visual backbone
     * @param settings over those of all
     */
    private record Variant(String name, String label, String vision, List<String> settings) {}

    @Override
    public Integer call() throws Exception {
        stages = new Stages(console);
        PrintStream results = System.out;
        if (console.isJson()) {
            // The commands that run inside print for people; standard output is for the one object at the end.
            System.setOut(System.err);
        }
        Map<String, Object> result;
        try {
            result = run();
        } finally {
            System.setOut(results);
        }
        console.result(result);
        return 0;
    }

    private Map<String, Object> run() throws Exception {
        TrainingConfig settings = config.get(Path.of(System.getProperty("lexvla.home", "."), "configs", "demo.yaml"));
        List<Variant> variants = variants(settings);
        Path settingsFile = settings(settings);
        SceneGenerator world =
                new SceneGenerator(SEED, settings.fresh().vision().image());
        List<Scene> unseen = world.generate(SceneGenerator.Split.HELD_OUT, heldOutScenes, 1);
        Path table = scenes(world);
        backbones(settings, table, variants.stream().anyMatch(variant -> variant.vision.equals("vision-other")));
        List<Callable<Void>> training = new ArrayList<>();
        for (Variant variant : variants) {
            if (Files.exists(run(variant).resolve("config.json"))) {
                console.line("%s is trained", variant.label);
            } else {
                training.add(() -> train(variant, settingsFile, table));
            }
        }
        Stages.sideBySide(training);
        return measure(variants, unseen);
    }

    private List<Variant> variants(TrainingConfig settings) {
        Map<String, Variant> all = new LinkedHashMap<>();
        for (Variant variant : List.of(
                new Variant(FULL, "LexVLA", "vision", List.of()),
                new Variant("flops", "FLOPs penalty", "vision", List.of("loss.penalty=flops")),
                new Variant("no-penalty", "no penalty", "vision", List.of("loss.penalty=none")),
                new Variant("bag-of-words", "bag of words as text side", "vision", List.of("textSide=bag_of_words")),
                new Variant(
                        "cls",
                        settings.poolCls() ? "CLS out of the maximum" : "CLS in the maximum",
                        "vision",
                        List.of("poolCls=" + !settings.poolCls())),
                new Variant("backbone", "another visual backbone", "vision-other", List.of()))) {
            all.put(variant.name, variant);
        }
        List<Variant> variants = new ArrayList<>(List.of(all.get(FULL)));
        for (String name : chosen) {
            Variant variant = all.get(name);
            if (variant == null) {
                throw new IllegalArgumentException("--variants has " + name + ": must be among "
                        + String.join(", ", List.copyOf(all.keySet()).subList(1, all.size())));
            }
            if (!variants.contains(variant)) {
                variants.add(variant);
            }
        }
        return variants;
    }

    /** Writes what must be the same when it is started again, or checks it. */
    private Path settings(TrainingConfig settings) throws IOException {
        Path file = out.resolve("settings.yaml");
        String text = "# " + trainingScenes + " scenes to train on\n" + settings.yaml();
        if (!Files.exists(file)) {
            Inputs.requireAbsent(out);
            Files.createDirectories(out);
            NewFile.writeBytes(file, text.getBytes(StandardCharsets.UTF_8));
        } else if (!Files.readString(file).equals(text)) {
            throw new IllegalArgumentException(
                    out + " holds variants of other settings, see its settings.yaml: take these,"
                            + " remove it, or choose another --out");
        }
        return file;
    }

    /** Makes a directory, complete or not there. */
    private Path make(String name, Making making) throws Exception {
        Path directory = out.resolve(name);
        if (!Files.exists(directory)) {
            Path beside = out.resolve(name + ".part");
            making.in(beside);
            Files.move(beside, directory, StandardCopyOption.ATOMIC_MOVE);
        }
        return directory;
    }

    @FunctionalInterface
    private interface Making {
        void in(Path directory) throws Exception;
    }

    private Path scenes(SceneGenerator world) throws Exception {
        return make("scenes", directory -> {
                    stages.say("Drawing %d scenes", trainingScenes);
                    SceneFiles.write(directory, world.generate(SceneGenerator.Split.TRAIN, trainingScenes, CAPTIONS));
                })
                .resolve("captions.tsv");
    }

    private void backbones(TrainingConfig settings, Path table, boolean other) throws Exception {
        SceneGenerator apart =
                new SceneGenerator(SEED + 1, settings.fresh().vision().image());
        DemoBackbones backbones = new DemoBackbones(settings, apart, console);
        int scenes = Math.max(1, trainingScenes / 2);
        stages.say("Preparing the stand-ins for the backbones");
        List<Callable<Void>> all = new ArrayList<>();
        all.add(() -> backbone("text", directory -> backbones.text(table, directory)));
        all.add(() -> backbone("vision", directory -> backbones.vision(scenes, directory)));
        if (other) {
            all.add(() -> backbone("vision-other", directory -> backbones.selfSupervisedVision(scenes, directory)));
        }
        Stages.sideBySide(all);
    }

    private Void backbone(String name, Making making) throws Exception {
        make(name, making);
        return null;
    }

    private Path run(Variant variant) {
        return out.resolve(variant.name).resolve("run");
    }

    private Void train(Variant variant, Path settings, Path table) throws Exception {
        Path model = out.resolve(variant.name).resolve("model");
        Files.createDirectories(model.getParent());
        List<String> set = new ArrayList<>(List.of("--config", settings.toString()));
        variant.settings.forEach(setting -> set.addAll(List.of("--set", setting)));
        if (!Files.exists(model)) {
            List<String> init = new ArrayList<>(List.of("init", "--captions", table.toString()));
            init.addAll(List.of("--vision", out.resolve(variant.vision).toString()));
            init.addAll(List.of("--text", out.resolve("text").toString(), "--out", model.toString()));
            stages.command(init, set.toArray(String[]::new));
        }
        List<String> train = new ArrayList<>(List.of("train", "--resume", "--data", table.toString()));
        train.addAll(List.of("--model", model.toString(), "--out", run(variant).toString()));
        return stages.command(train, set.toArray(String[]::new));
    }

    private Map<String, Object> measure(List<Variant> variants, List<Scene> unseen) throws IOException {
        Map<String, DemoFigures> rows = new LinkedHashMap<>();
        Map<String, ObjectNode> figures = new LinkedHashMap<>();
        List<SparsitySweep.Point> sweep = List.of();
        for (Variant variant : variants) {
            try (LexVla model = LexVla.load(run(variant), Device.cpu())) {
                DemoEvaluation.Result own = DemoEvaluation.of(model, unseen, 0);
                rows.put(variant.label, own.figures());
                figures.put(variant.name, own.figures().json());
                if (variant.name.equals(FULL)) {
                    sweep = own.sweep();
                    int words = model.vocabulary().size();
                    int k = (int) Math.max(1, Math.round(words * TOP_SHARE));
                    DemoFigures top = DemoEvaluation.of(model, unseen, 0, Sparsification.topK(k))
                            .figures();
                    rows.put("LexVLA(" + k + ")", top);
                    figures.put("top-k", top.json().put("k", k));
                }
            }
        }
        print(rows, sweep);
        NewFile.writeBytes(out.resolve("ablations.md"), markdown(rows).getBytes(StandardCharsets.UTF_8));
        NewFile.writePng(out.resolve("sparsity.png"), SparsitySweep.chart(sweep).toImage(PLOT_WIDTH, PLOT_HEIGHT));
        Map<String, Object> result = new LinkedHashMap<>();
        result.put("pictures", heldOutScenes);
        result.put("variants", figures);
        result.put("sweep", new ObjectMapper().valueToTree(sweep));
        result.put("seconds", Math.round(stages.seconds() * 10) / 10.0);
        return result;
    }

    /** The same as Markdown, for a document. */
    private String markdown(Map<String, DemoFigures> rows) {
        StringBuilder text = new StringBuilder();
        text.append(String.format(
                Locale.ROOT, "%d held-out scenes, R@1 of a guess %.2f%n%n", heldOutScenes, 1.0 / heldOutScenes));
        text.append("| | I→T R@1 | R@5 | R@10 | T→I R@1 | R@5 | R@10 | words, picture | text | PatchDis mIoU |\n");
        text.append("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n");
        rows.forEach((label, of) -> text.append(String.format(
                Locale.ROOT,
                "| %s | %.2f | %.2f | %.2f | %.2f | %.2f | %.2f | %.1f | %.1f | %.3f |%n",
                row(label, of))));
        text.append("\n![R@1 against active words](sparsity.png)\n");
        return text.toString();
    }

    /** What a line of the table has, in the order of its columns. */
    private static Object[] row(String label, DemoFigures of) {
        return new Object[] {
            label,
            of.imageToText().r1(),
            of.imageToText().r5(),
            of.imageToText().r10(),
            of.textToImage().r1(),
            of.textToImage().r5(),
            of.textToImage().r10(),
            of.activeWords(),
            of.activeTextWords(),
            of.patches().miou()
        };
    }

    /** In the form of the paper's table: a model a line, retrieval both ways, active words; and patches beside it. */
    private void print(Map<String, DemoFigures> rows, List<SparsitySweep.Point> sweep) {
        console.line("");
        console.line("%d held-out scenes, R@1 of a guess %.2f", heldOutScenes, 1.0 / heldOutScenes);
        console.line("%-27s %-20s   %-20s   %13s", "", "image to text", "text to image", "active words");
        console.line(
                "%-27s %6s %6s %6s   %6s %6s %6s   %7s %5s   %8s",
                "", "R@1", "R@5", "R@10", "R@1", "R@5", "R@10", "picture", "text", "PatchDis");
        rows.forEach((label, of) ->
                console.line("%-27s %6.3f %6.3f %6.3f   %6.3f %6.3f %6.3f   %7.1f %5.1f   %8.3f", row(label, of)));
        console.line("");
        console.line("LexVLA at other thresholds:");
        console.line("%13s   %13s %13s", "words/picture", "R@1 img→text", "R@1 text→img");
        for (SparsitySweep.Point point : sweep) {
            console.line(
                    "%13.1f   %13.3f %13.3f",
                    point.activeImage(),
                    point.imageToText().r1(),
                    point.textToImage().r1());
        }
    }
}
