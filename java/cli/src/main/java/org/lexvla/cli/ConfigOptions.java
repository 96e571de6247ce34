package org.lexvla.cli;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.lexvla.training.TrainingConfig;
import picocli.CommandLine.Option;

/** {@code --config} and {@code --set}. */
final class ConfigOptions {
    @Option(
            names = "--config",
            paramLabel = "YAML",
            description = "Settings (default: those of the paper; see configs/).")
    private Path config;

    @Option(
            names = "--set",
            paramLabel = "KEY=VALUE",
            description = "One setting over the file's, such as steps=200 or loss.penalty=flops; may be repeated.")
    private List<String> settings = new ArrayList<>();

    TrainingConfig get() throws IOException {
        return get(null);
    }

    /** @param standard the file where none is named; null: the settings of the paper */
    TrainingConfig get(Path standard) throws IOException {
        if (config != null) {
            Inputs.require(config);
        }
        return TrainingConfig.load(config == null ? standard : config, settings);
    }
}
