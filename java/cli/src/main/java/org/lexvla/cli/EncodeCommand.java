package org.lexvla.cli;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.Callable;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.lexvla.model.LexVla;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Writes the lexical vectors of pictures or texts. */
@Command(
        name = "encode",
        description = {
            "Write the lexical vectors of pictures or texts as an Arrow IPC file.",
            "Columns: id (utf8), words (map of lexical id to weight)."
        },
        mixinStandardHelpOptions = true,
        footer = {"", "Example: ./lexvla encode images --model model --data pictures/ --out pictures.arrow"})
final class EncodeCommand implements Callable<Integer> {
    enum What {
        IMAGES,
        TEXTS
    }

    @Parameters(paramLabel = "images|texts", description = "What to encode.")
    private What what;

    @Option(names = "--model", required = true, paramLabel = "MODEL", description = "Model directory.")
    private Path model;

    @Option(
            names = "--data",
            required = true,
            paramLabel = "DATA",
            description =
                    "Images: a captions.tsv, a directory or a picture. Texts: a captions.tsv, or a file with a text a line.")
    private Path data;

    @Option(names = "--out", required = true, paramLabel = "FILE", description = "Arrow IPC file to write.")
    private Path out;

    @Mixin
    private SparsityOptions sparsity;

    @Mixin
    private DeviceOption device;

    @Mixin
    private Console console;

    @Override
    public Integer call() throws Exception {
        Inputs.requireAbsent(out);
        try (BufferAllocator allocator = new RootAllocator();
                LexVla encoder = LexVla.load(model, device.get())) {
            Encoder work = new Encoder(encoder, sparsity.get(encoder.vocabulary()), allocator, console);
            try (Encoder.Encoded encoded =
                    what == What.IMAGES ? work.pictures(Inputs.pictures(data)) : work.texts(Inputs.texts(data))) {
                encoded.batch().write(out, encoded.ids());
                Encoder.reportSkipped(encoded.skipped(), console);
                console.line(
                        "%d vectors, %.1f active words each, %.1f a second, written to %s",
                        encoded.ids().size(), encoded.batch().meanActive(), encoded.perSecond(), out);
                Map<String, Object> result = new LinkedHashMap<>();
                result.put("vectors", encoded.ids().size());
                result.put("skipped", encoded.skipped());
                result.put("active_words", encoded.batch().meanActive());
                result.put("per_second", encoded.perSecond());
                result.put("out", out.toString());
                console.result(result);
            }
        }
        return 0;
    }
}
